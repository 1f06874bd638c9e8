/* POST, PUT and DELETE of a resource, whatever its type: what is particular about a type is in its row. */
#include "host/api/answer.h"
#include "host/api/condition.h"
#include "host/api/handlers.h"
#include "host/api/upload.h"
#include "host/registry/instance.h"

/* One change, from the parsed request to the committed row. */
struct change {
	struct request        *req;
	const struct type     *type;
	struct upload          given, upload;      /* as it came; as a hook completed it */
	struct view            path, name;
	enum resource_mode     mode;
	const char            *if_match, *if_none_match;      /* the headers; NULL: not sent                 */
	bool                   is_delete, must_be_new;
	bool                   was_absent;                    /* a PUT has found nothing under the lock      */
	struct resource_written written;
};

/* -- conditions ------------------------------------------------------------------------------------------------------- */

static void read_conditions(struct change *change)
{
	change->if_match = request_header(change->req, "If-Match");
	change->if_none_match = request_header(change->req, "If-None-Match");
	change->must_be_new = condition_is_any(change->if_none_match);
	if (change->must_be_new)
		change->mode = RESOURCE_CREATE;
	else if (change->if_match != NULL)
		change->mode = RESOURCE_REPLACE;
}

/* Tags are compared with what is there, under its lock; "*" is the store's own to tell. */
static bool has_tags(const struct change *change)
{
	return (change->if_match != NULL && !condition_is_any(change->if_match))
	       || (change->if_none_match != NULL && !change->must_be_new);
}

static enum status check_tags(const struct change *change, int64_t id, uint64_t version, struct error *err)
{
	char tag[ENTITY_TAG_SIZE];

	if (change->if_match != NULL && !condition_names(change->if_match, id, version, false))
		return condition_fails(change->if_match, change->path, id, version, err);
	entity_tag(id, version, ENTITY_JSON, false, tag);
	if (change->if_none_match != NULL && condition_names(change->if_none_match, id, version, true))
		return fail(err, ST_PRECONDITION, "\"%.*s\" is at %s, which If-None-Match names", (int) change->path.len,
		            change->path.ptr, tag);
	return ST_OK;
}

/* What the store says of a condition that did not hold is 412, not 404 or 409. */
static enum status as_precondition(const struct change *change, enum status st, struct error *err)
{
	if ((st == ST_EXISTS && change->must_be_new) || (st == ST_NOT_FOUND && change->if_match != NULL)) {
		err->code = ST_PRECONDITION;
		return ST_PRECONDITION;
	}
	return st;
}

/* -- the work --------------------------------------------------------------------------------------------------------- */

/* A rule that no schema can say: it sees the change on the transaction's own connection, and may complete the document. */
static enum status run_hook(struct change *change, struct db *db, struct view previous, struct error *err)
{
	const struct type *type = change->type;
	emco_change        abi = {
		.size = sizeof abi, .path = view_to_abi(change->path), .document = view_to_abi(change->upload.text),
		.previous = view_to_abi(previous), .files = change->upload.file_count,
		.kind = change->is_delete ? EMCO_CHANGE_DELETE : previous.len > 0 ? EMCO_CHANGE_REPLACE : EMCO_CHANGE_CREATE,
	};
	struct call        call;

	if (type->row->before_change == NULL)
		return ST_OK;
	call_init(&call, change->req->api->store, type->origin, 0, change->req->deadline_ns);
	call_lend(&call, db);
	enum status st = upload_result(type, &call, type->row->before_change(&call.abi, &abi), err);
	if (st == ST_OK && abi.new_document.len > 0)
		st = upload_replace(change->req, &change->upload, view_from_abi(abi.new_document), err);
	call_done(&call);
	return st;
}

/* A controller that is loaded needs no record: its name is enough. */
static bool is_loaded(const struct request *req, struct view path)
{
	static const char records[] = "controllers/";
	const size_t      len = sizeof records - 1;

	return req->api->plugins != NULL && path.len > len && memcmp(path.ptr, records, len) == 0
	       && plugins_find(req->api->plugins, (struct view) { path.ptr + len, path.len - len }) != NULL;
}

/* Of what the document refers to, what must exist: by the option, all but what the server itself has. */
static enum status find_musts(struct request *req, const struct view *paths, size_t count, struct view **ret_musts,
                              size_t *ret_count, struct error *err)
{
	struct view *musts = arena_alloc(&req->arena, count + 1, sizeof *musts);
	size_t       kept = 0;

	if (musts == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; req->api->options.strict_references && i < count; i++)
		if (!is_loaded(req, paths[i]))
			musts[kept++] = paths[i];
	*ret_musts = musts;
	*ret_count = kept;
	return ST_OK;
}

static enum status store_document(struct change *change, struct db *db, enum resource_mode mode, struct error *err)
{
	struct request    *req = change->req;
	const struct type *type = change->type;
	const uint32_t     flags = type->row->flags;
	struct view       *references = NULL, *musts = NULL;
	size_t             count = 0, must_count = 0;

	enum status st = type_references(req->api->types, type, change->path, change->upload.document, &req->arena, &references,
	                                 &count, err);
	if (st == ST_OK)
		st = find_musts(req, references, count, &musts, &must_count, err);
	if (st != ST_OK)
		return st;
	const struct resource_write write = {
		.path = change->path, .parent = req->parent, .type = view_of(type->row->name), .name = change->name,
		.doc = change->upload.text,
		.unique = type->row->unique == NULL ? VIEW("") : json_text_at(change->upload.document, type->row->unique),
		.is_secret = (flags & EMCO_RESOURCE_SECRET) != 0, .is_owner = (flags & EMCO_RESOURCE_OWNER) != 0,
		.has_events = (flags & EMCO_RESOURCE_EVENTS) != 0,
		.references = references, .reference_count = count, .musts = musts, .must_count = must_count,
		.files = change->upload.files, .file_count = change->upload.file_count,
		.is_replacing_files = change->upload.file_count > 0,
	};
	return resource_write(req->api->store, db, &write, mode, &change->written, err);
}

/*
 * With a hook, a condition, or for what owns objects on clusters: under the resource's lock, knowing what is there.  Runs
 * again after a deadlock, or when another has made what was not there, so it starts from the request each time.
 */
static enum status change_locked(struct db *db, void *data, struct error *err)
{
	struct change     *change = data;
	enum resource_mode mode = change->mode;
	struct error       missing;
	int64_t            id;
	uint64_t           version;
	auto_buf           previous = BUF(REPLY_MAX);

	change->upload = change->given;
	change->was_absent = false;
	if (change->is_delete || change->mode != RESOURCE_CREATE) {
		enum status st = resource_lock(db, change->path, &id, &missing);
		if (st == ST_OK)
			st = resource_read(change->req->api->store, db, change->path, &previous, &version, NULL, &missing);
		if (st != ST_OK && (st != ST_NOT_FOUND || change->is_delete || change->mode == RESOURCE_REPLACE)) {
			*err = missing;
			return st;
		}
		if (st == ST_OK && (st = check_tags(change, id, version, err)) != ST_OK)
			return st;
		change->was_absent = st == ST_NOT_FOUND;
		if (change->was_absent)
			mode = RESOURCE_CREATE;               /* the hook is told so: what another has made by now is not replaced unseen */
	}
	enum status st = run_hook(change, db, buf_view(&previous), err);
	if (st == ST_OK && change->is_delete)
		return resource_delete(change->req->api->store, db, change->path,
		                       (change->type->row->flags & EMCO_RESOURCE_EVENTS) != 0, err);
	return st == ST_OK ? store_document(change, db, mode, err) : st;
}

static enum status change_make(struct change *change, struct error *err)
{
	struct request *req = change->req;
	const uint32_t  flags = change->type->row->flags;
	auto_db        *db = NULL;
	enum status     st;

	change->given = change->upload;
	if (change->type->row->before_change != NULL || (flags & EMCO_RESOURCE_OWNER) != 0 || has_tags(change)) {
		st = db_transaction(req->api->store->pool, req->deadline_ns, change_locked, change, err);
		if (st == ST_EXISTS && change->was_absent) {       /* by now: once more, and now it is found */
			*err = (struct error) { .code = ST_OK };
			st = db_transaction(req->api->store->pool, req->deadline_ns, change_locked, change, err);
		}
	} else {
		st = db_borrow(req->api->store->pool, req->deadline_ns, &db, err);
		if (st == ST_OK)
			st = change->is_delete ? resource_delete(req->api->store, db, change->path, (flags & EMCO_RESOURCE_EVENTS) != 0, err)
			                       : store_document(change, db, change->mode, err);
	}
	if (st == ST_OK && (flags & EMCO_RESOURCE_OWNER) != 0)
		store_notify(req->api->store, CHANNEL_STATUS);
	if (st == ST_OK && (flags & EMCO_RESOURCE_EVENTS) != 0)
		store_notify(req->api->store, CHANNEL_OUTBOX);
	return as_precondition(change, st, err);
}

static enum status echo(const struct change *change, int code, struct error *err)
{
	struct request *req = change->req;
	struct buf     *body = answer_body(req, err);

	if (body == NULL)
		return ST_NO_MEMORY;
	enum status st = buf_add_view(body, change->upload.text, err);
	if (st == ST_OK)
		st = buf_add(body, "\n", 1, err);
	if (st != ST_OK)
		return st;
	answer_entity(req, change->written.id, change->written.version, ENTITY_JSON);
	if (change->written.is_new)
		answer_header(req, "Location: /v2/%.*s", (int) change->path.len, change->path.ptr);
	answer_send(req, code, TYPE_JSON);
	return ST_OK;
}

/* -- the handlers ----------------------------------------------------------------------------------------------------- */

enum status handle_create(struct request *req, struct error *err)
{
	struct change change = { .req = req, .type = req->endpoint->type, .mode = RESOURCE_CREATE };

	change.must_be_new = condition_is_any(request_header(req, "If-None-Match"));
	enum status st = upload_read(req, change.type, &change.upload, err);
	if (st == ST_OK)
		st = type_item_path(change.type, req->parent, change.upload.document, &req->arena, &change.path, &change.name, err);
	if (st == ST_OK)
		st = change_make(&change, err);
	return st == ST_OK ? echo(&change, 201, err) : st;
}

static int put_code(uint32_t flags, bool is_new)
{
	if ((flags & EMCO_RESOURCE_PUT_201) != 0)
		return 201;
	return is_new && (flags & EMCO_RESOURCE_PUT_200) == 0 ? 201 : 200;
}

enum status handle_replace(struct request *req, struct error *err)
{
	const struct type *type = req->endpoint->type;
	struct change      change = {
		.req = req, .type = type,
		.mode = (type->row->flags & EMCO_RESOURCE_PUT_OLD) != 0 ? RESOURCE_REPLACE : RESOURCE_CREATE_OR_REPLACE,
	};

	read_conditions(&change);
	enum status st = upload_read(req, type, &change.upload, err);
	if (st == ST_OK)
		st = type_item_path(type, req->parent, change.upload.document, &req->arena, &change.path, &change.name, err);
	if (st != ST_OK)
		return st;
	if (change.path.len != req->path.len || memcmp(change.path.ptr, req->path.ptr, req->path.len) != 0)
		return fail(err, ST_INVALID, "the document is \"%.*s\", but the path says \"%.*s\"", (int) change.path.len,
		            change.path.ptr, (int) req->path.len, req->path.ptr);
	st = change_make(&change, err);
	return st == ST_OK ? echo(&change, put_code(type->row->flags, change.written.is_new), err) : st;
}

enum status handle_delete(struct request *req, struct error *err)
{
	struct change change = {
		.req = req, .type = req->endpoint->type, .path = req->path, .is_delete = true,
	};

	/* If-None-Match: * is no wish to create here: it is told what is there, as any tag that fits is. */
	change.if_match = request_header(req, "If-Match");
	change.if_none_match = request_header(req, "If-None-Match");
	enum status st = change_make(&change, err);
	if (st == ST_OK)
		answer_send(req, 204, NULL);
	return st;
}
