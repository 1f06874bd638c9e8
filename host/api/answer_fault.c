/* Faults as they are told: a line each, or a problem document of RFC 9457. */
#include "host/api/answer.h"

#include "host/api/negotiate.h"
#include "host/api/status.h"

static size_t faults_kept(const struct verdict *verdict)
{
	return verdict->faults < FAULTS_MAX ? verdict->faults : FAULTS_MAX;
}

/* Where in the document.  A fault of a parameter or part names it in its words. */
static enum status add_fault(struct buf *out, const struct error *fault, struct error *err)
{
	const bool is_within = *fault->field == '/';

	return buf_printf(out, err, "%s%s%s", is_within ? fault->field : "", is_within ? ": " : "", fault->text);
}

enum status answer_text(struct buf *out, const struct error *fault, const struct verdict *verdict, struct error *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < faults_kept(verdict) && st == ST_OK; i++)
		st = buf_printf(out, err, "%s: %s\n", *verdict->fault[i].field == '\0' ? "the document" : verdict->fault[i].field,
		                verdict->fault[i].text);
	if (st == ST_OK && verdict->faults > FAULTS_MAX)
		st = buf_printf(out, err, "and %zu more\n", verdict->faults - FAULTS_MAX);
	if (st != ST_OK || verdict->faults > 0)
		return st;
	st = add_fault(out, fault, err);
	if (st == ST_OK)
		st = buf_add_text(out, "\n", err);
	if (st == ST_OK && *fault->hint != '\0')
		st = buf_printf(out, err, "%s\n", fault->hint);
	return st;
}

enum status answer_bare(struct buf *out, int code, const char *id, const char *content_type, struct view text, struct error *err)
{
	enum status st = buf_printf(out, err, "HTTP/1.1 %d %s\r\nX-Request-Id: %s\r\n%sContent-Type: %s\r\n"
	                            "Content-Length: %zu\r\nConnection: close\r\n\r\n", code, http_reason(code), id,
	                            code == 503 ? "Retry-After: 1\r\n" : "", content_type, text.len);

	return st == ST_OK ? buf_add_view(out, text, err) : st;
}

static enum status add_member(struct buf *out, const char *before, const char *text, struct error *err)
{
	enum status st = buf_add_text(out, before, err);

	return st == ST_OK ? buf_add_json(out, view_of(text), err) : st;
}

static enum status add_errors(struct buf *out, const struct error *fault, const struct verdict *verdict, struct error *err)
{
	const struct fault single = { fault->field, fault->text };
	const bool         is_many = verdict->faults > 0;
	const size_t       count = is_many ? faults_kept(verdict) : *fault->field != '\0';
	enum status st = count == 0 ? ST_OK : buf_add_text(out, ",\"errors\":[", err);

	for (size_t i = 0; i < count && st == ST_OK; i++) {
		const struct fault *each = is_many ? &verdict->fault[i] : &single;
		st = add_member(out, i == 0 ? "{\"field\":" : ",{\"field\":", each->field, err);
		if (st == ST_OK)
			st = add_member(out, ",\"detail\":", each->text, err);
		if (st == ST_OK)
			st = buf_add_text(out, "}", err);
	}
	return st == ST_OK && count > 0 ? buf_add_text(out, "]", err) : st;
}

enum status answer_problem(struct buf *out, int code, const struct error *fault, const struct verdict *verdict,
                           const char *request_id, struct error *err)
{
	auto_buf    detail = BUF(1024);
	enum status st = buf_printf(out, err, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d", http_reason(code), code);

	if (st == ST_OK)
		st = add_fault(&detail, fault, err);
	if (st == ST_OK)
		st = add_member(out, ",\"detail\":", detail.data, err);
	if (st == ST_OK && *fault->hint != '\0' && verdict->faults == 0)       /* of many it says how many, which errors show */
		st = add_member(out, ",\"hint\":", fault->hint, err);
	if (st == ST_OK)
		st = add_member(out, ",\"kind\":", status_name(fault->code), err);
	if (st == ST_OK)
		st = add_member(out, ",\"request\":", request_id, err);
	if (st == ST_OK)
		st = add_errors(out, fault, verdict, err);
	return st == ST_OK ? buf_add_text(out, "}\n", err) : st;
}

void answer_fail_code(struct request *req, int code, const struct error *fault)
{
	const bool is_problem = negotiate_names(request_header(req, "Accept"), TYPE_PROBLEM);

	answer_drop_body(req);
	if (code == 503)
		answer_header(req, "Retry-After: 1");
	if (answer_body(req, NULL) != NULL) {
		enum status st = is_problem ? answer_problem(&req->reply, code, fault, &req->verdict, req->id, NULL)
		                            : answer_text(&req->reply, fault, &req->verdict, NULL);
		if (st != ST_OK)
			answer_drop_body(req);
	}
	answer_send(req, code, is_problem ? TYPE_PROBLEM : TYPE_TEXT);
}

void answer_fail(struct request *req, const struct error *fault)
{
	answer_fail_code(req, req->is_body_late ? 408 : status_http(fault->code), fault);
}
