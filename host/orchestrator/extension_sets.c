/*
 * extension_sets.c - "emco.units/1": the sets that units want and have, and the objects in them.
 */
#include "host/orchestrator/extension_units_priv.h"

enum { TEXT_LIMIT = 16 << 20 };         /* bytes of one set or one object                        */

enum status units_digest(struct arena *arena, bool is_there, const struct digest *digest, emco_str *ret_text,
                         struct error *err)
{
	char hex[DIGEST_HEX_SIZE] = "";

	if (is_there)
		digest_hex(digest, hex);
	*ret_text = (emco_str) { arena_text(arena, hex), strlen(hex) };
	return ret_text->ptr != NULL ? ST_OK : fail(err, ST_NO_MEMORY, "out of memory");
}

static enum status set_of(struct call *call, emco_str set, struct set_entry **ret_entries, size_t *ret_count,
                          struct error *err)
{
	struct digest digest;
	struct db    *db = NULL;
	auto_buf      text = { 0 };

	if (!digest_from_hex(view_from_abi(set), &digest))
		return fail(err, ST_INVALID, "a set is named by %d hex digits, got %zu bytes", 2 * DIGEST_SIZE,
		            (size_t) set.len);
	buf_init(&text, TEXT_LIMIT);

	enum status st = units_enter(call, &db, err);
	if (st == ST_OK)
		st = set_read(db, &digest, &text, err);
	call_db_done(call);
	if (st != ST_OK)
		return st;

	/* The entries point into the text, which must live as long as they do. */
	const char *kept = arena_copy(&call->arena, text.data, text.len);
	if (kept == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	return set_decode((struct view) { kept, text.len }, &call->arena, ret_entries, ret_count, err);
}

emco_status units_each_entry(emco_call *abi, emco_str set, emco_units_each_entry *each, void *data)
{
	struct call      *call = call_of(abi);
	struct set_entry *entries = NULL;
	struct error      err = { 0 };
	size_t            count = 0;

	if (set_of(call, set, &entries, &count, &err) != ST_OK)
		return call_failed(call, &err);
	for (size_t i = 0; i < count; i++) {
		const struct set_entry *entry = &entries[i];
		emco_object            *object = arena_alloc(&call->arena, 1, sizeof *object);
		emco_set_entry          out = { .size = sizeof out, .secret = entry->is_secret, .object = object };

		if (object == NULL)
			fail(&err, ST_NO_MEMORY, "out of memory");
		else
			*object = (emco_object) { .size = sizeof *object, .phase = entry->phase,
			                          .name = view_to_abi(entry->name),
			                          .api_version = view_to_abi(entry->api_version),
			                          .kind = view_to_abi(entry->kind),
			                          .namespace_ = view_to_abi(entry->namespace_),
			                          .events = view_to_abi(entry->events) };
		if (object == NULL || units_digest(&call->arena, true, &entry->manifest, &out.digest, &err) != ST_OK)
			return call_failed(call, &err);

		const emco_status status = each(data, &out);
		if (status != EMCO_OK)
			return status;
	}
	return EMCO_OK;
}

struct bodies { emco_units_each_body *each; void *data; emco_status status; };

static enum status body_tell(void *data, size_t index, struct view body, struct error *err)
{
	struct bodies *bodies = data;

	bodies->status = bodies->each(bodies->data, index, view_to_abi(body));
	return bodies->status == EMCO_OK ? ST_OK : fail(err, ST_CONFLICT, "the call back ended it");
}

emco_status units_bodies(emco_call *abi, const emco_str *hex, uint64_t count, emco_units_each_body *each, void *data)
{
	struct call   *call = call_of(abi);
	struct digest *digests = arena_alloc(&call->arena, (size_t) count + 1, sizeof *digests);
	struct bodies  bodies = { .each = each, .data = data, .status = EMCO_OK };
	struct error   err = { 0 };
	struct db     *db = NULL;
	enum status    st = units_enter(call, &db, &err);

	if (st == ST_OK && digests == NULL)
		st = fail(&err, ST_NO_MEMORY, "out of memory");
	for (uint64_t i = 0; st == ST_OK && i < count; i++)
		if (!digest_from_hex(view_from_abi(hex[i]), &digests[i]))
			st = fail(&err, ST_INVALID, "an object is named by %d hex digits, got %zu bytes", 2 * DIGEST_SIZE, (size_t) hex[i].len);
	if (st == ST_OK) {
		call->reading = "bodies";
		st = manifests_read(call->store, db, digests, (size_t) count, body_tell, &bodies, &err);
		call->reading = NULL;
	}
	call_db_done(call);
	if (bodies.status != EMCO_OK)
		return bodies.status;
	return st == ST_OK ? EMCO_OK : call_failed(call, &err);
}
