/*
 * config.h - a kubeconfig from a stranger: what it says of one cluster, and nothing that runs or reads files.
 *
 * Certificates, keys and tokens stand in the file itself.  exec, auth-provider, paths of files, proxies and skipping of
 * verification are refused by name: the server must be verified, and the daemon runs nobody's programs.
 */
#ifndef LIB_KUBE_CONFIG_H
#define LIB_KUBE_CONFIG_H

#include "lib/base/json.h"

struct kube_config;

/* Owned by the caller.  ST_MALFORMED, ST_INVALID name the context, cluster or user, and what is wrong with it. */
enum status MUST_CHECK kube_config_read(struct view kubeconfig, struct kube_config **ret_config, struct error *err);
void kube_config_free(struct kube_config *config);       /* wipes secrets; accepts NULL */

/* All borrowed; empty when the file does not say. */
struct kube_access {
	const char *server;              /* "https://192.0.2.1:6443", no trailing slash; http on loopback only   */
	const char *server_name;         /* tls-server-name                                                      */
	const char *namespace_;
	struct view ca, certificate, key;        /* PEM */
	const char *token;
	const char *user, *password;
};
const struct kube_access *kube_config_access(const struct kube_config *config);

#endif
