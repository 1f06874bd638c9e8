# civetweb, built from the distribution's source package: its binary cannot speak TLS with OpenSSL 3.
