#include "host/store/db_priv.h"

#include <assert.h>

enum status rows_take(PGresult *result, struct rows **ret_rows, struct error *err)
{
	struct rows *rows = malloc(sizeof *rows);

	if (rows == NULL) {
		PQclear(result);
		return fail(err, ST_NO_MEMORY, "out of memory");
	}
	rows->result = result;
	*ret_rows = rows;
	return ST_OK;
}

void rows_free(struct rows *rows)
{
	if (rows == NULL)
		return;
	PQclear(rows->result);
	free(rows);
}

static void free_rows(void *rows)
{
	rows_free(rows);
}

enum status rows_give(struct rows *rows, struct arena *arena, struct error *err)
{
	return arena_own(arena, free_rows, rows, err);
}

enum status db_query_kept(struct db *db, const struct query *query, const struct param *params, size_t count, struct arena *arena,
                          struct rows **ret_rows, struct error *err)
{
	const enum status st = db_query(db, query, params, count, EXPECT_ROWS, ret_rows, err);

	return st == ST_OK ? rows_give(*ret_rows, arena, err) : st;
}

size_t rows_count(const struct rows *rows)
{
	return rows != NULL ? (size_t) PQntuples(rows->result) : 0;
}

uint64_t rows_affected(const struct rows *rows)
{
	return rows != NULL ? strtoull(PQcmdTuples(rows->result), NULL, 10) : 0;
}

bool rows_is_null(const struct rows *rows, size_t row, size_t column)
{
	return PQgetisnull(rows->result, (int) row, (int) column) == 1;
}

struct view rows_view(const struct rows *rows, size_t row, size_t column)
{
	return (struct view) { PQgetvalue(rows->result, (int) row, (int) column),
	                       (size_t) PQgetlength(rows->result, (int) row, (int) column) };
}

struct digest rows_digest(const struct rows *rows, size_t row, size_t column)
{
	const struct view value = rows_view(rows, row, column);
	struct digest     digest = { { 0 } };

	if (value.len == DIGEST_SIZE)
		memcpy(digest.bytes, value.ptr, DIGEST_SIZE);
	return digest;
}

/* Integers of two, four and eight bytes, most significant byte first; 0 for null. */
int64_t rows_int(const struct rows *rows, size_t row, size_t column)
{
	const struct view value = rows_view(rows, row, column);
	uint64_t          number = value.len > 0 && (unsigned char) value.ptr[0] >= 0x80 ? UINT64_MAX : 0;

	assert(value.len == 0 || value.len == 2 || value.len == 4 || value.len == 8);
	for (size_t i = 0; i < value.len; i++)
		number = number << 8 | (unsigned char) value.ptr[i];
	return (int64_t) number;
}

bool rows_bool(const struct rows *rows, size_t row, size_t column)
{
	const struct view value = rows_view(rows, row, column);

	return value.len == 1 && value.ptr[0] != 0;
}
