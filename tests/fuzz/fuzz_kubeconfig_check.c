/* What passes runs no program, reads no file and trusts nobody it should not. */
#include "host/resources/resources_priv.h"
#include "lib/base/yaml.h"

#include "tests/fuzz/fuzz.h"

#include <strings.h>

static bool is_given(const json_t *value)
{
	return value != NULL && !json_is_null(value);
}

static void check_users(const json_t *users)
{
	for (size_t i = 0; i < json_array_size(users); i++) {
		const json_t *user = json_object_get(json_array_get(users, i), "user");
		must(json_is_object(user) && !is_given(json_object_get(user, "exec")));
		must(!is_given(json_object_get(user, "auth-provider")));
		must(*json_string_at(user, "client-key") == '\0' && *json_string_at(user, "tokenFile") == '\0');
	}
}

static void check_clusters(const json_t *clusters)
{
	for (size_t i = 0; i < json_array_size(clusters); i++) {
		const json_t *cluster = json_object_get(json_array_get(clusters, i), "cluster");
		must(strncasecmp(json_string_at(cluster, "server"), "http", 4) == 0);
		must(!json_is_true(json_object_get(cluster, "insecure-skip-tls-verify")));
		must(*json_string_at(cluster, "certificate-authority") == '\0');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view content = { (const char *) data, size };
	json_t           *config = NULL;
	struct error      err = { .code = ST_OK };

	if (kubeconfig_check(content, &err) != ST_OK) {
		must(err.text[0] != '\0');
		return 0;
	}
	must(yaml_read(content, YAML_KUBERNETES, &config, &err) == ST_OK);
	check_users(json_object_get(config, "users"));
	check_clusters(json_object_get(config, "clusters"));
	json_decref(config);
	return 0;
}
