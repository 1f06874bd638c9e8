/*
 * extension_resources.c - "emco.resources/1": plugins read resources.
 *
 * Lists are read page by page, each page wholly before its call backs: a call back may use the call's connection for
 * other slots, and memory stays bounded however long the list is.
 */
#include "host/orchestrator/extensions.h"

#include "host/registry/call.h"
#include "host/store/resource.h"

enum {
	PAGE_ITEMS = 128,
	PAGE_LIMIT = 64 << 20,          /* bytes of one page                                      */
};

static emco_status read_document(emco_call *abi, emco_str path, emco_str *ret_document)
{
	struct call *call = call_of(abi);
	struct error err = { 0 };
	struct db   *db = NULL;
	auto_buf     doc = BUF(RESOURCE_DOC_MAX);

	enum status st = call_db(call, &db, &err);
	if (st == ST_OK)
		st = resource_read(call->store, db, view_from_abi(path), &doc, NULL, NULL, &err);
	call_db_done(call);

	const char *kept = st == ST_OK ? arena_copy(&call->arena, doc.data, doc.len) : NULL;
	if (st == ST_OK && kept == NULL)
		st = fail(&err, ST_NO_MEMORY, "out of memory");
	if (st != ST_OK)
		return call_failed(call, &err);
	*ret_document = (emco_str) { kept, doc.len };
	return EMCO_OK;
}

struct page {
	struct arena arena;
	struct { struct view path, doc; } items[PAGE_ITEMS];
	size_t       count;
};

static enum status page_add(void *data, const struct resource_item *item, struct error *err)
{
	struct page *page = data;
	const char  *path = arena_copy(&page->arena, item->path.ptr, item->path.len);
	const char  *doc = arena_copy(&page->arena, item->doc.ptr, item->doc.len);

	if (path == NULL || doc == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	page->items[page->count].path = (struct view) { path, item->path.len };
	page->items[page->count].doc = (struct view) { doc, item->doc.len };
	page->count++;
	return ST_OK;
}

static enum status page_read(struct call *call, struct view type, struct view parent, struct view after,
                             struct page *page, struct error *err)
{
	struct db  *db = NULL;
	enum status st = call_db(call, &db, err);

	page->count = 0;
	arena_init(&page->arena, PAGE_LIMIT);
	if (st == ST_OK)
		st = resource_list(call->store, db, type, parent, after, PAGE_ITEMS, page_add, page, err);
	call_db_done(call);
	return st;
}

static emco_status each_document(emco_call *abi, emco_str type, emco_str parent, emco_resource_each *each, void *data)
{
	struct call *call = call_of(abi);
	struct page  pages[2] = { { .count = 0 } };     /* the last path of one page begins the next */
	struct view  after = VIEW("");
	struct error err = { 0 };
	emco_status  status = EMCO_OK;
	size_t       turn = 0;

	do {
		struct page *page = &pages[turn++ % 2];

		arena_done(&page->arena);
		if (page_read(call, view_from_abi(type), view_from_abi(parent), after, page, &err) != ST_OK)
			status = call_failed(call, &err);
		for (size_t i = 0; status == EMCO_OK && i < page->count; i++)
			status = each(data, view_to_abi(page->items[i].path), view_to_abi(page->items[i].doc));
		if (page->count < PAGE_ITEMS)
			break;
		after = page->items[PAGE_ITEMS - 1].path;
	} while (status == EMCO_OK);
	arena_done(&pages[0].arena);
	arena_done(&pages[1].arena);
	return status;
}

const emco_resources_1 extension_resources = {
	.size = sizeof extension_resources, .read = read_document, .each = each_document,
};
