/*
 * Whatever is read as a kubeconfig names a server that may be asked, and holds nothing that could become another header.
 */
#include "lib/kube/config.h"

#include "tests/fuzz/fuzz.h"

static void check(const struct kube_access *access)
{
	must(strncmp(access->server, "https://", 8) == 0 || strncmp(access->server, "http://", 7) == 0);
	must(access->server[strlen(access->server) - 1] != '/');
	must(strpbrk(access->server, " \r\n\t@?#") == NULL);
	must(strpbrk(access->token, " \r\n\t") == NULL);
	must(strchr(access->user, ':') == NULL);
	must((access->certificate.len > 0) == (access->key.len > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error        err = { .code = ST_OK };
	struct kube_config *config;

	if (kube_config_read((struct view) { (const char *) data, size }, &config, &err) != ST_OK) {
		must(err.text[0] != '\0');
		return 0;
	}
	check(kube_config_access(config));
	kube_config_free(config);
	return 0;
}
