/* A document and its files: read, checked, and brought into the form that is stored. */
#include "host/api/upload.h"

#include "host/api/answer.h"
#include "host/api/body.h"
#include "host/api/multipart.h"
#include "host/api/negotiate.h"

enum { FORM_OVERHEAD = 1 << 16, MANY_FACTOR = 8, WARNINGS_MAX = 8 };

static bool is_blank(struct view text)
{
	for (size_t i = 0; i < text.len; i++)
		if (memchr(" \t\r\n", text.ptr[i], 4) == NULL)
			return false;
	return true;
}

/* -- the document ----------------------------------------------------------------------------------------------------- */

static enum status document_too_large(struct error *err)
{
	return fail(err, ST_TOO_LARGE, "a document may have at most %d bytes, as it is stored: this one has more", RESOURCE_DOC_MAX);
}

static enum status keep_text(struct request *req, struct upload *upload, struct error *err)
{
	auto_buf text = BUF(RESOURCE_DOC_MAX);

	enum status st = json_write(&text, upload->document, err);
	if (st == ST_TOO_LARGE)
		return document_too_large(err);
	if (st != ST_OK)
		return st;
	return arena_keep(&req->arena, buf_view(&text), &upload->text, err);
}

enum status document_read(struct request *req, const struct schema *schema, struct view bytes, json_t **ret_document,
                          struct error *err)
{
	auto_json *input = NULL;

	if (is_blank(bytes))
		return fail(err, ST_INVALID, "empty body: expected a JSON document");
	enum status st = json_read(bytes, &input, err);
	if (st != ST_OK)
		return st;
	st = schema_check(schema, input, &req->arena, &req->verdict, ret_document, err);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < req->verdict.unknowns && i < UNKNOWN_MAX && i < WARNINGS_MAX; i++)
		answer_ignored(req, "member", view_of(req->verdict.unknown[i]));
	return json_own(&req->arena, *ret_document, err);
}

static enum status read_document(struct request *req, const struct type *type, struct view bytes, struct upload *upload,
                                 struct error *err)
{
	enum status st = document_read(req, type->schema, bytes, &upload->document, err);

	return st == ST_OK ? keep_text(req, upload, err) : st;
}

enum status upload_replace(struct request *req, struct upload *upload, struct view text, struct error *err)
{
	json_t     *document;
	struct view copy;

	if (text.len > RESOURCE_DOC_MAX)
		return document_too_large(err);
	enum status st = arena_keep(&req->arena, text, &copy, err);
	if (st == ST_OK)
		st = json_read(text, &document, err);
	if (st == ST_OK)
		st = json_own(&req->arena, document, err);
	if (st != ST_OK)
		return st;
	upload->document = document;
	upload->text = copy;
	return ST_OK;
}

/* -- files ------------------------------------------------------------------------------------------------------------ */

static size_t file_limit(const struct request *req, const emco_file *row)
{
	const size_t most = req->api->options.file_limit_bytes;

	return row->limit_bytes > 0 && row->limit_bytes < most ? (size_t) row->limit_bytes : most;
}

static size_t form_limit(const struct request *req, const struct type *type)
{
	size_t limit = req->api->options.body_limit_bytes + FORM_OVERHEAD;

	for (size_t i = 0; i < type->row->file_count; i++) {
		const emco_file *row = &type->row->files[i];
		limit += file_limit(req, row) * ((row->flags & EMCO_FILE_MANY) != 0 ? MANY_FACTOR : 1);
	}
	return limit < req->api->options.upload_limit_bytes ? limit : req->api->options.upload_limit_bytes;
}

enum status upload_result(const struct type *type, struct call *call, emco_status status, struct error *err)
{
	const bool is_ours = strcmp(type->origin, "emcod") == 0;

	if (is_ours && status != EMCO_OK && status != EMCO_DECLINED && status_to_abi(call->error.code) == status) {
		*err = call->error;
		return err->code;
	}
	return call_result(call, status, err);
}

static enum status check_file(struct request *req, const struct type *type, const emco_file *row, struct view content,
                              struct error *err)
{
	if (content.len > file_limit(req, row))
		return fail_at(err, ST_TOO_LARGE, row->part, "file \"%s\" must be at most %zu bytes, got %zu", row->part,
		               file_limit(req, row), content.len);
	if (row->check == NULL)
		return ST_OK;
	auto_call call;
	call_init(&call, req->api->store, type->origin, 0, req->deadline_ns);
	enum status st = upload_result(type, &call, row->check(&call.abi, view_to_abi(content)), err);
	if (st == ST_OK)
		return ST_OK;
	if (*err->field == '\0')
		snprintf(err->field, sizeof err->field, "%s", row->part);
	return fail_within(err, "part \"%s\"", row->part);
}

static bool has_file(const struct upload *upload, const char *part)
{
	for (size_t i = 0; i < upload->file_count; i++)
		if (strcmp(upload->files[i].field, part) == 0)
			return true;
	return false;
}

static enum status add_file(struct request *req, const struct type *type, const struct part *part, struct upload *upload,
                            struct error *err)
{
	const emco_file *row = type_file(type, part->name);

	if (row == NULL) {
		if (upload->ignored_count++ < WARNINGS_MAX)
			answer_ignored(req, "part", part->name);
		return ST_OK;
	}
	const bool is_many = (row->flags & EMCO_FILE_MANY) != 0;
	if (is_many && part->content.len == 0)
		return ST_OK;
	if (!is_many && has_file(upload, row->part))
		return fail_at(err, ST_INVALID, row->part, "part \"%s\" must come once", row->part);
	upload->files[upload->file_count++] = (struct resource_file) {
		.field = row->part, .filename = part->filename, .media_type = part->media_type, .content = part->content,
		.is_sealed = (row->flags & EMCO_FILE_SEALED) != 0,
	};
	return ST_OK;
}

/* Parts in the order of the form; what is missing is told after what is there. */
static enum status check_files(struct request *req, const struct type *type, const struct upload *upload, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < upload->file_count && st == ST_OK; i++)
		st = check_file(req, type, type_file(type, view_of(upload->files[i].field)), upload->files[i].content, err);
	for (size_t i = 0; i < type->row->file_count && st == ST_OK; i++) {
		const emco_file *row = &type->row->files[i];
		if ((row->flags & EMCO_FILE_REQUIRED) != 0 && !has_file(upload, row->part))
			st = fail_at(err, ST_MALFORMED, row->part, "the form needs a file part \"%s\"", row->part);
	}
	return st;
}

static enum status no_document(const struct part *parts, size_t count, struct error *err)
{
	auto_buf    names = BUF(128);
	enum status st = ST_OK;

	for (size_t i = 0; i < count && st == ST_OK; i++)
		st = buf_printf(&names, NULL, "%s\"%.*s\"", i > 0 ? ", " : "", V(parts[i].name));
	return fail_at(err, ST_INVALID, "metadata", "the form needs a part \"metadata\" with the JSON document, and has %s%s%s",
	               count == 0 ? "no parts" : names.data, st != ST_OK && names.len > 0 ? " and " : "", st != ST_OK ? "others" : "");
}

static enum status read_form(struct request *req, const struct type *type, struct upload *upload, struct error *err)
{
	char         boundary[MULTIPART_BOUNDARY_MAX + 1];
	struct part *parts = NULL;
	size_t       count = 0;
	const struct part *metadata = NULL;

	enum status st = multipart_boundary(request_header(req, "Content-Type"), boundary, err);
	if (st == ST_OK)
		st = body_read(req, form_limit(req, type), err);
	if (st == ST_OK)
		st = multipart_read(buf_view(&req->body), boundary, &req->arena, &parts, &count, err);
	if (st != ST_OK)
		return st;
	upload->files = arena_alloc(&req->arena, count + 1, sizeof *upload->files);
	if (upload->files == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the files");
	for (size_t i = 0; i < count && st == ST_OK; i++) {
		if (!view_is(parts[i].name, "metadata"))
			st = add_file(req, type, &parts[i], upload, err);
		else if (metadata != NULL)
			st = fail_at(err, ST_INVALID, "metadata", "part \"metadata\" must come once");
		else
			metadata = &parts[i];
	}
	if (st != ST_OK)
		return st;
	if (metadata == NULL)
		return no_document(parts, count, err);
	if (metadata->content.len > req->api->options.body_limit_bytes)
		return fail_at(err, ST_TOO_LARGE, "metadata", "part \"metadata\" must be at most %zu bytes, got %zu",
		               req->api->options.body_limit_bytes, metadata->content.len);
	st = read_document(req, type, metadata->content, upload, err);
	return st == ST_OK ? check_files(req, type, upload, err) : st;
}

enum status upload_read(struct request *req, const struct type *type, struct upload *ret_upload, struct error *err)
{
	const char   *media_type = request_header(req, "Content-Type");
	const bool    is_form = media_type_is(media_type, TYPE_FORM);
	struct upload upload = { .document = NULL };
	enum status   st;

	if (is_form && type->row->file_count == 0)
		return fail(err, ST_UNSUPPORTED_MEDIA, "%s come without files: the request body must be JSON", type->row->segment);
	st = body_is_plain(req, err);
	if (st != ST_OK)
		return st;
	if (is_form || type_needs_form(type)) {
		st = read_form(req, type, &upload, err);
	} else {
		st = body_read(req, req->api->options.body_limit_bytes, err);
		if (st == ST_OK)
			st = read_document(req, type, buf_view(&req->body), &upload, err);
	}
	if (st == ST_OK)
		*ret_upload = upload;
	return st;
}
