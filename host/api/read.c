/* GET of one resource and of a collection: stored bytes are passed on, nothing is parsed. */
#include "host/api/accept.h"
#include "host/api/answer.h"
#include "host/api/condition.h"
#include "host/api/handlers.h"
#include "host/api/multipart.h"
#include "lib/base/clock.h"
#include "lib/base/digest.h"

#include <inttypes.h>
#include <strings.h>

enum { BOUNDARIES_MAX = 1 << 20 };

static const char *const form_types[ENTITY_FORMS] = {
	[ENTITY_JSON] = TYPE_JSON, [ENTITY_FILE] = TYPE_BYTES, [ENTITY_PARTS] = TYPE_FORM,
};

/* -- one ------------------------------------------------------------------------------------------------------------- */

/* In the place of a boundary until all is there that it must not be in. */
#define NO_BOUNDARY  "0000000000000000000000000000000000000000000000000000000000000000"
_Static_assert(sizeof NO_BOUNDARY == DIGEST_HEX_SIZE, "a digest takes its place");

/* The files of a resource, as they go into the answer. */
struct files {
	struct buf        *body;
	const struct type *type;
	struct buf        *boundaries;            /* where they stand; NULL: only the contents, one after another */
	size_t             count;
};

static enum status note_boundary(const struct files *files, struct error *err)
{
	const size_t at = files->body->len + strlen("--");

	return buf_add(files->boundaries, (const char *) &at, sizeof at, err);
}

static enum status add_part(const struct files *files, struct view name, struct view filename, const char *type, struct view content,
                            struct error *err)
{
	const enum status st = note_boundary(files, err);

	return st == ST_OK ? multipart_add(files->body, NO_BOUNDARY, name, filename, type, content, err) : st;
}

static enum status add_file(void *data, const struct resource_file_row *file, struct error *err)
{
	struct files    *files = data;
	const emco_file *row = type_file(files->type, file->field);

	files->count++;
	if (files->boundaries == NULL)
		return buf_add_view(files->body, file->content, err);
	const bool        is_many = row != NULL && (row->flags & EMCO_FILE_MANY) != 0;
	const struct view name = is_many ? file->filename : view_of(row == NULL ? NULL : row->filename);
	return add_part(files, file->field, name, TYPE_BYTES, file->content, err);
}

/* The digest of the parts: one body for one entity tag, and nobody can have put it into a file. */
static enum status end_parts(struct request *req, const struct files *files, char boundary[DIGEST_HEX_SIZE], struct error *err)
{
	enum status st = note_boundary(files, err);

	if (st == ST_OK)
		st = multipart_end(files->body, NO_BOUNDARY, err);
	if (st != ST_OK)
		return st;
	const struct digest digest = digest_of((struct view) { files->body->data + REPLY_ROOM, answer_body_len(req) });
	digest_hex(&digest, boundary);
	for (size_t i = 0; i < files->boundaries->len; i += sizeof(size_t)) {
		size_t at;
		memcpy(&at, files->boundaries->data + i, sizeof at);
		memcpy(files->body->data + at, boundary, strlen(NO_BOUNDARY));
	}
	return ST_OK;
}

/* The body holds the document; put the files in its place, or around it. */
static enum status add_files(struct request *req, struct db *db, const struct type *type, struct view path,
                             enum entity_form *form, char *content_type, size_t size, struct error *err)
{
	auto_buf     document = BUF(req->reply.max), boundaries = BUF(BOUNDARIES_MAX);
	char         boundary[DIGEST_HEX_SIZE];
	struct files files = { .body = &req->reply, .type = type, .boundaries = *form == ENTITY_PARTS ? &boundaries : NULL };
	enum status  st = ST_OK;

	st = buf_add(&document, req->reply.data + REPLY_ROOM, answer_body_len(req), err);
	answer_drop_body(req);
	if (st == ST_OK && *form == ENTITY_PARTS)
		st = add_part(&files, VIEW("metadata"), VIEW(""), TYPE_JSON, buf_view(&document), err);
	if (st == ST_OK)
		st = resource_files(req->api->store, db, path, add_file, &files, err);
	if (st == ST_OK && *form == ENTITY_PARTS && files.count > 0) {
		st = end_parts(req, &files, boundary, err);
		if (st == ST_OK)
			snprintf(content_type, size, TYPE_FORM "; boundary=%s", boundary);
	}
	if (st == ST_OK && files.count == 0) {            /* it came without a file: there is only the document to show */
		answer_drop_body(req);
		*form = ENTITY_JSON;
		snprintf(content_type, size, "%s", TYPE_JSON);
		st = buf_add_view(files.body, buf_view(&document), err);
	}
	return st;
}

static enum status choose_form(const struct request *req, const struct type *type, enum entity_form *ret_form, struct error *err)
{
	size_t chosen = ENTITY_JSON;

	const enum status st = accept_choose(req, form_types, type->row->file_count > 0 ? ENTITY_FORMS : 1, &chosen, err);
	if (st == ST_OK)
		*ret_form = (enum entity_form) chosen;
	return st;
}

static enum status end_document(struct request *req, enum status st, struct error *err)
{
	return st == ST_OK ? buf_add(&req->reply, "\n", 1, err) : st;
}

static enum status read_document(struct request *req, struct view path, struct resource_seen *ret_seen, struct error *err)
{
	const enum status st = resource_fetch(req->api->store, path, req->deadline_ns, &req->reply, ret_seen, err);

	return end_document(req, st, err);
}

/* In one transaction, else somebody could replace the files in between.  The form is another when there are none. */
static enum status read_with_files(struct request *req, const struct type *type, struct view path, enum entity_form *form,
                                   char *content_type, size_t size, struct resource_seen *ret_seen, struct error *err)
{
	struct store *store = req->api->store;
	auto_db      *db = NULL;

	/* Before the database holds them, too. */
	if (atomic_load(&req->api->answers.used) >= req->api->answers.max)
		return fail(err, ST_UNAVAILABLE, "too many large answers at once");
	enum status st = db_borrow(store->pool, req->deadline_ns, &db, err);
	if (st == ST_OK)
		st = db_begin_read(db, err);
	if (st != ST_OK)
		return st;
	st = resource_read(store, db, path, &req->reply, &ret_seen->version, &ret_seen->id, err);
	st = end_document(req, st, err);
	return st == ST_OK ? add_files(req, db, type, path, form, content_type, size, err) : st;
}

enum status resource_answer(struct request *req, const struct type *type, struct view path, struct error *err)
{
	struct resource_seen seen = { .id = 0 };
	char                 content_type[128];
	enum entity_form     form = ENTITY_JSON;

	if (answer_body(req, err) == NULL)
		return ST_NO_MEMORY;
	enum status st = choose_form(req, type, &form, err);
	if (st != ST_OK)
		return st;
	snprintf(content_type, sizeof content_type, "%s", form_types[form]);
	if (form == ENTITY_JSON)
		st = read_document(req, path, &seen, err);
	else
		st = read_with_files(req, type, path, &form, content_type, sizeof content_type, &seen, err);
	if (st != ST_OK)
		return st;
	const char *known = request_header(req, "If-None-Match");
	const bool  has_it = known != NULL && condition_has(known, seen.id, seen.version, form);
	answer_entity(req, seen.id, seen.version, form);
	if (type->row->file_count > 0)
		answer_header(req, "Vary: Accept");
	answer_send(req, has_it ? 304 : 200, content_type);
	return ST_OK;
}

enum status handle_read(struct request *req, struct error *err)
{
	bool is_answered = false;

	enum status st = views_answer(req, &is_answered, err);
	if (st != ST_OK || is_answered)
		return st;
	return resource_answer(req, req->endpoint->type, req->path, err);
}

/* -- many ------------------------------------------------------------------------------------------------------------ */

enum {
	STEP_FIRST   = 64,                     /* rows */
	STEP_MAX     = 1000,
	STEP_BYTES   = 512 << 10,              /* what a step should come to */
	READER_BYTES = 16 << 10                /* a second: who reads slower has had time enough */
};

/*
 * A list on its way out.  A page is sent whole, because only its end tells whether there is another.  A list without limit
 * is read and sent in steps, and nothing of the database is held while a reader takes his time.
 */
struct listing {
	struct request *req;
	struct page     page;                  /* its after moves on with each step          */
	uint64_t        count;
	uint64_t        step, in_step;         /* rows                                       */
	uint64_t        sent;                  /* bytes                                      */
	struct view     last;                  /* a path                                     */
	bool            has_more;
};

static enum status add_item(void *data, const struct resource_item *item, struct error *err)
{
	struct listing *listing = data;
	struct request *req = listing->req;

	if (listing->in_step >= listing->step) {
		listing->has_more = true;
		return ST_OK;
	}
	listing->in_step++;
	enum status st = listing->count++ == 0 ? ST_OK : buf_add(&req->reply, ",", 1, err);
	if (st == ST_OK)
		st = buf_add_view(&req->reply, item->doc, err);
	if (listing->page.limit == 0 && req->reply.len >= STEP_BYTES)
		listing->step = listing->in_step;            /* larger than those before: the step ends here */
	if (st != ST_OK || listing->in_step < listing->step)
		return st;
	return arena_keep(&req->arena, item->path, &listing->last, err);
}

/* The request's own, and the time that a slow reader may have taken. */
static int64_t step_deadline_ns(const struct listing *listing)
{
	return listing->req->deadline_ns + (int64_t) (listing->sent / READER_BYTES) * 1000000000;
}

/* One row more than the step has tells whether there are more. */
static enum status add_step(struct listing *listing, struct error *err)
{
	struct request *req = listing->req;
	auto_db        *db = NULL;

	listing->in_step = 0;
	listing->has_more = false;
	enum status st = db_borrow(req->api->store->pool, step_deadline_ns(listing), &db, err);
	if (st != ST_OK)
		return st;
	st = resource_list(req->api->store, db, view_of(req->endpoint->type->row->name), req->parent, listing->page.after,
	                   listing->step + 1, add_item, listing, err);
	/* The parent was there when the list began: one that went since ends it, as its members did. */
	return st == ST_NOT_FOUND && listing->count > 0 ? ST_OK : st;
}

static enum status send_step(struct listing *listing, struct error *err)
{
	const size_t bytes = listing->req->reply.len;

	if (deadline_past(step_deadline_ns(listing)))
		return fail(err, ST_DEADLINE, "the client reads less than %d bytes a second", READER_BYTES);
	const enum status st = answer_stream(listing->req, 200, TYPE_JSON, err);
	if (st != ST_OK)
		return st;
	listing->sent += bytes;
	listing->step = bytes < STEP_BYTES / STEP_MAX ? STEP_MAX : listing->step * STEP_BYTES / bytes;
	listing->step = listing->step < 1 ? 1 : listing->step > STEP_MAX ? STEP_MAX : listing->step;
	listing->page.after = listing->last;
	return ST_OK;
}

static enum status add_items(struct listing *listing, struct error *err)
{
	struct buf *reply = &listing->req->reply;
	enum status st = buf_add(reply, "[", 1, err);

	listing->step = listing->page.limit > 0 ? listing->page.limit : STEP_FIRST;
	do {
		if (st == ST_OK)
			st = add_step(listing, err);
		if (st == ST_OK && listing->page.limit == 0)
			st = send_step(listing, err);
	} while (st == ST_OK && listing->page.limit == 0 && listing->has_more);
	return st == ST_OK ? buf_add(reply, "]\n", 2, err) : st;
}

/* Other parameters chose a view, not this list. */
static void tell_next_page(const struct listing *listing)
{
	const size_t collection = listing->req->parent.len + (listing->req->parent.len > 0 ? 1 : 0)
	                          + strlen(listing->req->endpoint->type->row->segment) + 1;

	if (listing->has_more && listing->last.len > collection)
		answer_next_page(listing->req, NULL, listing->page.limit,
		                 (struct view) { listing->last.ptr + collection, listing->last.len - collection });
}

enum status handle_list(struct request *req, struct error *err)
{
	struct listing listing = { .req = req };
	bool           is_answered = false;

	enum status st = views_answer(req, &is_answered, err);
	if (st != ST_OK || is_answered)
		return st;
	st = accept_takes(req, TYPE_JSON, err);
	if (st == ST_OK)
		st = page_read(req->endpoint->type, req->parent, req->parameters, req->parameter_count, &req->arena, &listing.page, err);
	if (st != ST_OK)
		return st;
	if (answer_body(req, err) == NULL)
		return ST_NO_MEMORY;
	st = add_items(&listing, err);
	if (st != ST_OK) {
		answer_stream_fail(req, err);
		return ST_OK;
	}
	tell_next_page(&listing);
	answer_stream_end(req, 200, TYPE_JSON);
	return ST_OK;
}
