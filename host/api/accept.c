/* 406 is said here and nowhere else. */
#include "host/api/accept.h"

#include "host/api/answer.h"
#include "host/api/negotiate.h"

static enum status none_fits(const char *const *offers, size_t count, struct error *err)
{
	auto_buf list = BUF(256);

	for (size_t i = 0; i < count; i++)
		IGNORE(buf_printf(&list, NULL, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", offers[i]));
	return fail(err, ST_NOT_ACCEPTABLE, "this can be sent as %s, and the client accepts nothing of it", list.data);
}

enum status accept_choose(const struct request *req, const char *const *offers, size_t count, size_t *ret_chosen,
                          struct error *err)
{
	const char *accept = request_header(req, "Accept");
	const int   chosen = negotiate(accept, offers, count);

	if (chosen < 0 && !negotiate_names_only(accept, TYPE_PROBLEM))
		return none_fits(offers, count, err);
	*ret_chosen = chosen < 0 ? 0 : (size_t) chosen;
	return ST_OK;
}

enum status accept_takes(const struct request *req, const char *offer, struct error *err)
{
	size_t chosen;

	return accept_choose(req, &offer, 1, &chosen, err);
}
