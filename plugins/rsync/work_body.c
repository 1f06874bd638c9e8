/*
 * work_body.c - the bodies of what goes out, read a page at a time.
 *
 * The first objects go out before the others are read, and each page is read while the one before it is under way: the
 * requests run on a thread of their own.
 */
#include "plugins/rsync/work.h"

enum { PAGE = KUBE_IN_FLIGHT };

void item_fill(struct item *item, const struct piece *piece)
{
	item->piece = piece;
	item->text = piece->text;
	item->is_forced = item->is_known && !piece->has_ignored;
	if (piece->has_template && !item->is_known)
		item->action = ACTION_LOOK;
}

/* The next of this item's wave that are not read. */
static emco_status page_read(struct item *first)
{
	struct work       *work = first->work;
	struct object_set *desired = work->job->desired;
	struct object     *page[PAGE];
	size_t             count = 0;

	for (struct item *item = first; item < work->items + work->item_count && count < PAGE; item++)
		if (item->state == ITEM_WAITS && item->piece->wave == first->piece->wave && !item->object->is_ready)
			page[count++] = &desired->objects[item->object - desired->objects];
	return objects_ready(work->pass, desired, page, count, &work->fault);
}

bool item_ready(struct item *item)
{
	const struct object *object = item->object;

	if (item->piece->text.len > 0)
		return true;
	if (!object->is_ready && page_read(item) != EMCO_OK)
		return false;
	if (object->message != NULL)
		item_end(item, ITEM_FAILED, "%s", object->message);
	else if (object->piece_count != 1)
		item_end(item, ITEM_FAILED, "one object was expected, its body holds %zu", object->piece_count);
	else
		item_fill(item, object->pieces);
	return true;
}
