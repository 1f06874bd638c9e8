#include "tests/unit/base/test.h"

#include "lib/base/gzip.h"

#include <zlib.h>

enum { PLAIN_MAX = 1 << 20 };

static unsigned char plain[PLAIN_MAX + 1];

/* Everything that can be read of what was written so far. */
static size_t unpack(const struct buf *packed, bool *ret_ended)
{
	z_stream stream = { .next_in = (Bytef *) packed->data, .avail_in = (uInt) packed->len, .next_out = plain,
	                    .avail_out = PLAIN_MAX };

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	const int code = inflate(&stream, Z_SYNC_FLUSH);
	*ret_ended = code == Z_STREAM_END;
	inflateEnd(&stream);
	return PLAIN_MAX - stream.avail_out;
}

static const size_t lengths[] = { 0, 1, 100, 1 << 15, (1 << 15) + 1, 300000 };

/* Neither all alike nor noise: several output steps, and something gained. */
static char byte_at(size_t i)
{
	return (char) ('a' + (i * i >> 7) % 23);
}

static void test_every_piece_can_be_read_when_it_is_there(void **state)
{
	static const int levels[] = { GZIP_FAST, GZIP_SMALL };

	(void) state;
	for (size_t l = 0; l < ARRAY_LEN(levels); l++) {
		auto_buf     packed = BUF(PLAIN_MAX);
		struct error err;
		size_t       sum = 0;
		bool         has_ended;
		struct gzip *gzip = gzip_new(levels[l]);
		assert_non_null(gzip);
		for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
			auto_buf piece = BUF(PLAIN_MAX);
			for (size_t k = 0; k < lengths[i]; k++)
				assert_int_equal(buf_add(&piece, &(char) { byte_at(sum + k) }, 1, &err), ST_OK);
			assert_int_equal(gzip_add(gzip, buf_view(&piece), i + 1 == ARRAY_LEN(lengths), &packed, &err), ST_OK);
			sum += lengths[i];
			assert_int_equal(unpack(&packed, &has_ended), sum);
			assert_int_equal(has_ended, i + 1 == ARRAY_LEN(lengths));
			for (size_t k = 0; k < sum; k++)
				assert_int_equal(plain[k], byte_at(k));
		}
		assert_true(packed.len < sum);
		gzip_free(gzip);
	}
}

static void test_a_buffer_that_is_full_is_told(void **state)
{
	auto_buf     packed = BUF(1000), noise = BUF(1 << 16);
	struct error err;
	uint32_t     seed = 1;
	struct gzip *gzip = gzip_new(GZIP_FAST);

	(void) state;
	for (size_t i = 0; i < 1 << 14; i++) {
		seed = seed * 1664525 + 1013904223;
		assert_int_equal(buf_add(&noise, &(char) { (char) (seed >> 24) }, 1, &err), ST_OK);
	}
	assert_int_equal(gzip_add(gzip, buf_view(&noise), true, &packed, &err), ST_TOO_LARGE);
	assert_string_equal(err.text, "compressed, it must be at most 1000 bytes");
	gzip_free(gzip);
	gzip_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_piece_can_be_read_when_it_is_there),
		cmocka_unit_test(test_a_buffer_that_is_full_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
