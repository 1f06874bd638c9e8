#include "host/orchestrator/placement_json.h"

enum { BECAUSE_MAX = 4096 };

/* What is named needs no text of its own: it is the cluster. */
static void put_named(struct out *out, struct view cluster)
{
	auto_buf           text = BUF(BECAUSE_MAX);
	const char        *plus = memchr(cluster.ptr, '+', cluster.len);
	const size_t       provider = plus != NULL ? (size_t) (plus - cluster.ptr) : cluster.len;
	const struct view  name = { cluster.ptr + provider + (plus != NULL), cluster.len - provider - (plus != NULL) };

	if (out->st == ST_OK)
		out->st = buf_printf(&text, out->err, "cluster \"%.*s\" of provider \"%.*s\"", (int) name.len, name.ptr, (int) provider,
		                     cluster.ptr);
	out_text(out, buf_view(&text));
}

void put_placement(struct out *out, const struct plan *plan, const struct plan_slot *slot)
{
	struct plan_why why;

	if (!plan_slot_why(plan, slot, &why))
		return;
	out_key(out, "placement");
	out_raw(out, "{");
	out_key(out, "intent");
	out_text(out, why.intent);
	out_key(out, "because");
	if (why.because.len > 0)
		out_text(out, why.because);
	else
		put_named(out, plan_slot_cluster(slot));
	out_key(out, "mandatory");
	out_raw(out, why.is_mandatory ? "true" : "false");
	out_key(out, "group");
	out_text(out, plan_slot_group(slot));
	out_raw(out, "}");
}
