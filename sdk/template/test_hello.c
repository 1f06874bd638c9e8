/* An ordinary program: no daemon, no database, no network. */
#include <emco_testing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(claim)  ((claim) ? (void) 0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim), exit(1)))

static const char world[] =
	"{\"contexts\":{\"1\":{\"apps\":{\"web\":{\"edge+one\":{\"objects\":["
	"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"}}]}}}}}}";

static const char *label(emco_testing *testing)
{
	return emco_testing_value(testing, "1", "web", "edge+one", "web+Service", "/metadata/labels/team");
}

int main(int argc, char **argv)
{
	emco_testing *testing = emco_testing_new(world);

	CHECK(argc == 2);
	CHECK(emco_testing_open(testing, emco_testing_load(argv[1]), "{\"label\":\"team\"}") == EMCO_OK);

	CHECK(emco_testing_update_app_context(testing, "1", "", "") == EMCO_DECLINED);
	CHECK(label(testing) == NULL);

	/* Every service fails once: nothing may be left behind, and nothing may leak. */
	for (int n = 1; ; n++) {
		emco_testing_fail_nth(testing, n, EMCO_E_UNAVAILABLE);
		const emco_status status = emco_testing_update_app_context(testing, "1", "blue", "");
		if (!emco_testing_has_failed(testing)) {
			CHECK(status == EMCO_OK);
			break;
		}
		CHECK(status == EMCO_E_UNAVAILABLE && label(testing) == NULL);
	}
	CHECK(strcmp(label(testing), "blue") == 0);

	emco_testing_free(testing);
	return 0;
}
