/* Every row is also given to the real Helm, so the expectations are Helm's and not ours. */
#include "tests/unit/orchestrator/helper.h"

#include "host/orchestrator/strvals.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/process.h"

struct row { const char *text, *want; };

/* want: the values, members in byte order; NULL: refused by both. */
static const struct row rows[] = {
	{ "a=1",                      "{\"a\":1}"                            },
	{ "a=b",                      "{\"a\":\"b\"}"                        },
	{ "a=",                       "{\"a\":\"\"}"                         },
	{ "a=1,b=2",                  "{\"a\":1,\"b\":2}"                    },
	{ "a=1,",                     "{\"a\":1}"                            },
	{ "a.b=1,a.c=2",              "{\"a\":{\"b\":1,\"c\":2}}"            },
	{ "a\\.b=1",                  "{\"a.b\":1}"                          },
	{ "a=1\\,2",                  "{\"a\":\"1,2\"}"                      },
	{ "a=b=c",                    "{\"a\":\"b=c\"}"                      },
	{ "a=\\",                     "{\"a\":\"\"}"                         },
	{ "a= x ",                    "{\"a\":\" x \"}"                      },
	{ "a=true,b=FALSE,c=nUll",    "{\"a\":true,\"b\":false,\"c\":null}"  },
	{ "a=0",                      "{\"a\":0}"                            },
	{ "a=-0",                     "{\"a\":0}"                            },
	{ "a=007",                    "{\"a\":\"007\"}"                      },
	{ "a=-5,b=+5",                "{\"a\":-5,\"b\":5}"                   },
	{ "a=1.5",                    "{\"a\":\"1.5\"}"                      },
	{ "a=0x10",                   "{\"a\":\"0x10\"}"                     },
	{ "a=1_000",                  "{\"a\":\"1_000\"}"                    },
	{ "a=9223372036854775807",    "{\"a\":9223372036854775807}"          },
	{ "a=9223372036854775808",    "{\"a\":\"9223372036854775808\"}"      },
	{ "a={1,x,true,null}",        "{\"a\":[1,\"x\",true,null]}"          },
	{ "a={}",                     "{\"a\":[\"\"]}"                       },
	{ "a={},b=2",                 "{\"a\":[\"\"],\"b\":2}"               },
	{ "a={a,b},c=1",              "{\"a\":[\"a\",\"b\"],\"c\":1}"        },
	{ "a={\\,,\\}}",              "{\"a\":[\",\",\"}\"]}"                },
	{ "a={ x , y }",              "{\"a\":[\" x \",\" y \"]}"            },
	{ "a[0]=1",                   "{\"a\":[1]}"                          },
	{ "a[2]=x",                   "{\"a\":[null,null,\"x\"]}"            },
	{ "a[+1]=1",                  "{\"a\":[null,1]}"                     },
	{ "a[0].b=1,a[0].c=2",        "{\"a\":[{\"b\":1,\"c\":2}]}"          },
	{ "a[0][1]=z",                "{\"a\":[[null,\"z\"]]}"               },
	{ "a[0]={1,2}",               "{\"a\":[[1,2]]}"                      },
	{ "a[0]=1,a[0].b=2",          "{\"a\":[{\"b\":2}]}"                  },
	{ "a[1]=null",                "{\"a\":[null,null]}"                  },
	{ "a[0]=,b=1",                "{\"a\":[\"\"],\"b\":1}"               },
	{ "\xc3\xa9=\xc3\xa9",        "{\"\xc3\xa9\":\"\xc3\xa9\"}"          },
	{ "=1",                       "{}"                                   },
	{ ".a=1",                     "{}"                                   },
	{ "a",                        NULL },
	{ "a,b=1",                    NULL },
	{ "a.b",                      NULL },
	{ "a..b=1",                   NULL },
	{ "a.=1",                     NULL },
	{ "a={x",                     NULL },
	{ "a={1}x",                   NULL },
	{ "a={{b}}",                  NULL },
	{ "a={1},,b=2",               NULL },
	{ ",a=1",                     NULL },
	{ "a[-1]=2",                  NULL },
	{ "a[x]=2",                   NULL },
	{ "a[ 0]=1",                  NULL },
	{ "a[65537]=1",               NULL },
	{ "a[0]b=1",                  NULL },
	{ "a[0].b",                   NULL },
	{ "a=1,a.b=2",                NULL },
	{ "a=1,a[0]=2",               NULL },
	{ "a[0].b=1,a[0][0]=2",       NULL },
};

static void write_sorted(const json_t *values, struct buf *out)
{
	struct error err;
	char        *text = json_dumps(values, JSON_COMPACT | JSON_SORT_KEYS);

	assert_non_null(text);
	expect_ok(buf_add_text(out, text, &err));
	free(text);
}

static bool parse(const char *text, struct buf *out, struct error *err)
{
	auto_json *values = json_object();
	size_t     padding = STRVALS_PADDING;

	if (strvals_parse(view_of(text), values, &padding, err) != ST_OK)
		return false;
	write_sorted(values, out);
	return true;
}

static void test_texts_give_the_values_of_the_table(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err;
		auto_buf     out;
		buf_init(&out, 1 << 20);
		const bool is_good = parse(rows[i].text, &out, &err);
		if (rows[i].want == NULL && is_good)
			fail_msg("\"%s\" gave %s and should have been refused", rows[i].text, out.data);
		if (rows[i].want != NULL && (!is_good || strcmp(out.data, rows[i].want) != 0))
			fail_msg("\"%s\": expected %s, got %s", rows[i].text, rows[i].want, is_good ? out.data : err.text);
	}
}

/* A chart that prints its values as one line of JSON. */
static void make_chart(char *path, size_t size)
{
	struct error err;
	char         file[512];

	snprintf(path, size, "%s/values-chart", scratch_folder());
	snprintf(file, sizeof file, "%s/templates", path);
	expect_ok(folder_make(file, &err));
	snprintf(file, sizeof file, "%s/Chart.yaml", path);
	expect_ok(file_write(file, VIEW("apiVersion: v2\nname: values-chart\nversion: 0.1.0\n"), 0600, &err));
	snprintf(file, sizeof file, "%s/templates/v.yaml", path);
	expect_ok(file_write(file, VIEW("values: {{ .Values | toJson }}\n"), 0600, &err));
}

static void ask_helm(const char *chart, const char *text, struct buf *out, int *ret_exit)
{
	char         home[600];
	const char  *argv[] = { helm_path(), "template", "r", chart, "--set", text, NULL };
	const char  *env[] = { home, "PATH=/usr/bin:/bin", NULL };
	auto_buf     errors;
	struct error err;

	snprintf(home, sizeof home, "HOME=%s", scratch_folder());
	buf_init(&errors, 1 << 16);
	const struct process process = { .argv = argv, .env = env, .deadline_ns = deadline_in_ms(60000) };
	expect_ok(process_run(&process, out, &errors, ret_exit, &err));
}

static void test_helm_says_the_same(void **state)
{
	char chart[400];

	(void) state;
	make_chart(chart, sizeof chart);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_buf out;
		char     want[256];
		int      code;
		buf_init(&out, 1 << 20);
		ask_helm(chart, rows[i].text, &out, &code);
		if ((code == 0) != (rows[i].want != NULL))
			fail_msg("Helm %s \"%s\"", code == 0 ? "takes" : "refuses", rows[i].text);
		snprintf(want, sizeof want, "values: %s\n", rows[i].want != NULL ? rows[i].want : "");
		if (code == 0)
			expect_words(out.data, want);
	}
}

static void test_overrides_of_one_app_are_laid_over_each_other_in_order(void **state)
{
	auto_json   *values = json_object();
	auto_buf     out;
	size_t       padding = STRVALS_PADDING;
	struct error err;

	(void) state;
	buf_init(&out, 4096);
	expect_ok(strvals_set(values, VIEW("image.tag"), VIEW("1.2"), &padding, &err));
	expect_ok(strvals_set(values, VIEW("image.name"), VIEW("nginx,other=true"), &padding, &err));
	expect_ok(strvals_set(values, VIEW("image.tag"), VIEW("1.3"), &padding, &err));
	write_sorted(values, &out);
	assert_string_equal(out.data, "{\"image\":{\"name\":\"nginx\",\"tag\":\"1.3\"},\"other\":true}");
}

static void test_bounds_hold(void **state)
{
	auto_json   *values = json_object();
	auto_buf     text;
	size_t       padding = STRVALS_PADDING;
	struct error err;

	(void) state;
	buf_init(&text, 1 << 17);
	for (int i = 0; i <= STRVALS_NESTED_MAX; i++)
		expect_ok(buf_add_text(&text, "a.", &err));
	expect_ok(buf_add_text(&text, "a=1", &err));
	expect_status(ST_INVALID, strvals_parse(buf_view(&text), values, &padding, &err), &err);
	expect_words(err.text, "deeper than 30");

	buf_clear(&text);
	expect_ok(buf_add_text(&text, "a", &err));
	for (int i = 0; i <= STRVALS_LIST_MAX; i++)
		expect_ok(buf_add_text(&text, "[0]", &err));
	expect_ok(buf_add_text(&text, "=1", &err));
	expect_status(ST_INVALID, strvals_parse(buf_view(&text), values, &padding, &err), &err);

	buf_clear(&text);
	for (int i = 0; i < 20000; i++)
		expect_ok(buf_add_text(&text, "a[0].", &err));
	expect_ok(buf_add_text(&text, "a=1", &err));
	expect_status(ST_INVALID, strvals_parse(buf_view(&text), values, &padding, &err), &err);
	expect_words(err.text, "at most 60 dots and indexes");
	expect_status(ST_INVALID, strvals_parse(VIEW("a\0=1"), values, &padding, &err), &err);

	padding = 10;
	expect_ok(strvals_parse(VIEW("b[9]=1"), values, &padding, &err));
	expect_status(ST_TOO_LARGE, strvals_parse(VIEW("b[10]=1"), values, &padding, &err), &err);
	expect_status(ST_INVALID, strvals_parse(VIEW("b=\xff"), values, &padding, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_give_the_values_of_the_table),
		cmocka_unit_test(test_helm_says_the_same),
		cmocka_unit_test(test_overrides_of_one_app_are_laid_over_each_other_in_order),
		cmocka_unit_test(test_bounds_hold),
	};

	return cmocka_run_group_tests_name("strvals", tests, NULL, NULL);
}
