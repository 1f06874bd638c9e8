#include "host/registry/call.h"
#include "host/registry/extension.h"
#include "lib/base/clock.h"

#include <setjmp.h>

#include <cmocka.h>
#undef fail          /* ours */

/* -- status ---------------------------------------------------------------------------------------------------------- */

static const struct { enum status st; emco_status abi; enum status back; } map[] = {
	{ ST_OK,          EMCO_OK,            ST_OK          },
	{ ST_INVALID,     EMCO_E_INVALID,     ST_INVALID     },
	{ ST_MALFORMED,   EMCO_E_INVALID,     ST_INVALID     },
	{ ST_NOT_FOUND,   EMCO_E_NOT_FOUND,   ST_NOT_FOUND   },
	{ ST_EXISTS,      EMCO_E_EXISTS,      ST_EXISTS      },
	{ ST_CONFLICT,    EMCO_E_CONFLICT,    ST_CONFLICT    },
	{ ST_TOO_LARGE,   EMCO_E_TOO_LARGE,   ST_TOO_LARGE   },
	{ ST_FORBIDDEN,   EMCO_E_FORBIDDEN,   ST_FORBIDDEN   },
	{ ST_UNAVAILABLE, EMCO_E_UNAVAILABLE, ST_UNAVAILABLE },
	{ ST_DEADLINE,    EMCO_E_DEADLINE,    ST_DEADLINE    },
	{ ST_UPSTREAM,    EMCO_E_UPSTREAM,    ST_UPSTREAM    },
	{ ST_NO_MEMORY,   EMCO_E_NO_MEMORY,   ST_NO_MEMORY   },
	{ ST_INTERNAL,    EMCO_E_INTERNAL,    ST_UPSTREAM    },     /* a plugin's bug is not ours */
};

static void test_each_status_has_its_twin_across_the_boundary(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(map); i++) {
		assert_int_equal(map[i].abi, status_to_abi(map[i].st));
		assert_int_equal(map[i].back, status_from_abi(map[i].abi));
	}
	for (int st = 1; st < ST_STATUS_COUNT; st++)
		assert_true(status_to_abi((enum status) st) > EMCO_DECLINED);
	assert_int_equal(ST_OK, status_from_abi(EMCO_DECLINED));
	assert_int_equal(ST_UPSTREAM, status_from_abi(EMCO_E_UNIMPLEMENTED));
	assert_int_equal(ST_UPSTREAM, status_from_abi(4711));
	assert_int_equal(ST_UPSTREAM, status_from_abi(-1));
}

/* -- what a plugin said ---------------------------------------------------------------------------------------------- */

static const struct {
	const char *title, *says;
	emco_status says_status, returns;
	enum status want;
	const char *want_text;
} sayings[] = {
	{ "its words",              "no room", EMCO_E_CONFLICT, EMCO_E_CONFLICT, ST_CONFLICT, "controller \"dtc\": no room" },
	{ "no words",               NULL, 0, EMCO_E_UNAVAILABLE, ST_UNAVAILABLE,
	  "controller \"dtc\": unavailable, and no reason given" },
	{ "words of another fault", "gone", EMCO_E_NOT_FOUND, EMCO_E_NO_MEMORY, ST_NO_MEMORY,
	  "controller \"dtc\": out of memory, and no reason given" },
	{ "an unknown number",      NULL, 0, 77, ST_UPSTREAM, "controller \"dtc\": returned the unknown status 77" },
	{ "a fault it got over",    "gone", EMCO_E_NOT_FOUND, EMCO_OK, ST_OK, "" },
	{ "not for it",             NULL, 0, EMCO_DECLINED, ST_OK, "" },
	{ "not UTF-8",              "\xff\xfe", EMCO_E_INVALID, EMCO_E_INVALID, ST_INVALID,
	  "controller \"dtc\": (a text that is not UTF-8)" },
};

static emco_str str(const char *text)
{
	return (emco_str) { text, strlen(text) };
}

static void test_a_fault_names_the_controller_and_keeps_its_words(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(sayings); i++) {
		struct error err = { 0 };
		auto_call    call;
		call_init(&call, NULL, "dtc", 0, deadline_in_ms(1000));
		if (sayings[i].says != NULL)
			call.abi.fail(&call.abi, sayings[i].says_status, str("/spec"), str(sayings[i].says), str("Do it."));
		assert_int_equal(sayings[i].want, call_result(&call, sayings[i].returns, &err));
		assert_string_equal(sayings[i].want_text, err.text);
	}
}

static void test_a_host_fault_that_a_plugin_passes_on_keeps_its_status(void **state)
{
	struct error err = { 0 }, fault;
	auto_call    call;

	(void) state;
	call_init(&call, NULL, "dtc", 0, deadline_in_ms(1000));
	IGNORE(fail_at(&fault, ST_MALFORMED, "/a", "bad bytes"));
	assert_int_equal(EMCO_E_INVALID, call_failed(&call, &fault));
	assert_int_equal(ST_MALFORMED, call_result(&call, EMCO_E_INVALID, &err));
	assert_string_equal("controller \"dtc\": bad bytes", err.text);
	assert_string_equal("/a", err.field);
	assert_int_equal(strlen("bad bytes"), call.abi.fault(&call.abi).len);
}

/* -- time and memory ------------------------------------------------------------------------------------------------- */

static void test_a_call_is_cancelled_by_its_deadline_or_by_the_flag(void **state)
{
	bool      is_stopping = false;
	auto_call call = { .deadline_ns = 0 }, late = { .deadline_ns = 0 };

	(void) state;
	call_init(&call, NULL, "dtc", 0, deadline_in_ms(60000));
	call.cancelled = &is_stopping;
	assert_int_equal(0, call.abi.cancelled(&call.abi));
	assert_in_range(call.abi.left_ns(&call.abi), 1, INT64_C(60000000000));
	is_stopping = true;
	assert_int_equal(1, call.abi.cancelled(&call.abi));
	call_init(&late, NULL, "dtc", 0, clock_ns() - 1);
	assert_int_equal(1, late.abi.cancelled(&late.abi));
	assert_int_equal(0, late.abi.left_ns(&late.abi));
}

static void test_memory_of_a_call_is_zeroed_and_bounded(void **state)
{
	auto_call call;

	(void) state;
	call_init(&call, NULL, "dtc", 0, deadline_in_ms(1000));
	const char *memory = call.abi.alloc(&call.abi, 100, 3);
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(0, memory[i]);
	assert_null(call.abi.alloc(&call.abi, UINT64_MAX, 2));
	assert_null(call.abi.alloc(&call.abi, 1, UINT64_C(1) << 40));
}

static void test_without_a_store_there_is_no_connection(void **state)
{
	struct error err = { 0 };
	struct db   *db = NULL;
	auto_call    call;

	(void) state;
	call_init(&call, NULL, "dtc", 0, deadline_in_ms(1000));
	assert_int_equal(ST_UNAVAILABLE, call_db(&call, &db, &err));
	assert_null(db);
}

static void test_extensions_are_found_by_identifier(void **state)
{
	static const int one = 1, other = 2;

	(void) state;
	extension_offer("test.one/1", &one);
	assert_ptr_equal(&one, extension_find("test.one/1"));
	assert_null(extension_find("test.one/2"));
	extension_offer("test.one/1", &other);                /* a test may replace one */
	assert_ptr_equal(&other, extension_find("test.one/1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_status_has_its_twin_across_the_boundary),
		cmocka_unit_test(test_a_fault_names_the_controller_and_keeps_its_words),
		cmocka_unit_test(test_a_host_fault_that_a_plugin_passes_on_keeps_its_status),
		cmocka_unit_test(test_a_call_is_cancelled_by_its_deadline_or_by_the_flag),
		cmocka_unit_test(test_memory_of_a_call_is_zeroed_and_bounded),
		cmocka_unit_test(test_without_a_store_there_is_no_connection),
		cmocka_unit_test(test_extensions_are_found_by_identifier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
