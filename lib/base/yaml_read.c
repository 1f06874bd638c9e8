#include "lib/base/yaml_priv.h"

struct reader {
	yaml_parser_t  parser;
	struct builder builder;
	struct view    bytes;
	struct error  *err;
	yaml_each     *each;
	void          *data;
	size_t         index;             /* of the document                                   */
	size_t         text_at;           /* where its own bytes begin                         */
	size_t         mark, offset;      /* the same place in characters and in bytes         */
};

static size_t line_at(struct view bytes, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset && i < bytes.len; i++)
		line += bytes.ptr[i] == '\n';
	return line;
}

static enum status fail_parser(struct reader *r)
{
	const yaml_parser_t *parser = &r->parser;

	if (parser->error == YAML_MEMORY_ERROR)
		return fail(r->err, ST_NO_MEMORY, "out of memory");
	r->builder.line = parser->error == YAML_READER_ERROR ? line_at(r->bytes, parser->problem_offset)
	                                                     : parser->problem_mark.line + 1;
	if (parser->context != NULL)
		return builder_malformed(&r->builder, "%s, %s", parser->problem, parser->context);
	return builder_malformed(&r->builder, "%s", parser->problem != NULL ? parser->problem : "not YAML");
}

/* libyaml counts characters; the text of a document is wanted in bytes.  Marks come in order, so this walks once. */
static size_t offset_of(struct reader *r, const yaml_mark_t *mark)
{
	while (r->mark < mark->index && r->offset < r->bytes.len) {
		r->offset++;
		while (r->offset < r->bytes.len && ((unsigned char) r->bytes.ptr[r->offset] & 0xC0) == 0x80)
			r->offset++;
		r->mark++;
	}
	return r->offset;
}

/* Past the rest of a marker's line, unless the document itself begins there. */
static size_t after_marker(struct view bytes, size_t at)
{
	size_t end = at;

	while (end < bytes.len && (bytes.ptr[end] == ' ' || bytes.ptr[end] == '\t'))
		end++;
	if (end < bytes.len && bytes.ptr[end] == '\r')
		end++;
	if (end < bytes.len && bytes.ptr[end] == '\n')
		end++;
	return end;
}

static enum status on_document_end(struct reader *r, const yaml_event_t *event)
{
	const size_t      end = offset_of(r, &event->start_mark);
	const struct view text = { r->bytes.ptr + r->text_at, end > r->text_at ? end - r->text_at : 0 };
	struct builder   *b = &r->builder;
	const enum status st = r->each(r->data, r->index++, b->is_blank ? NULL : b->document, text, r->err);

	r->text_at = event->data.document_end.implicit ? end : after_marker(r->bytes, offset_of(r, &event->end_mark));
	builder_reset(b);
	return st;
}

static enum status on_event(struct reader *r, const yaml_event_t *event)
{
	struct builder *b = &r->builder;

	b->line = event->start_mark.line + 1;
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (!event->data.document_start.implicit)
			r->text_at = after_marker(r->bytes, offset_of(r, &event->end_mark));
		return ST_OK;
	case YAML_DOCUMENT_END_EVENT:
		return on_document_end(r, event);
	case YAML_SCALAR_EVENT:
		return builder_scalar(b, event);
	case YAML_ALIAS_EVENT:
		return builder_alias(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return builder_open(b, event->data.sequence_start.tag, event->data.sequence_start.anchor, false);
	case YAML_MAPPING_START_EVENT:
		return builder_open(b, event->data.mapping_start.tag, event->data.mapping_start.anchor, true);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return builder_close(b);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
		break;
	}
	return ST_OK;
}

static enum status read_events(struct reader *r)
{
	enum status st = ST_OK;
	bool        is_over = false;

	while (st == ST_OK && !is_over) {
		yaml_event_t event;
		if (yaml_parser_parse(&r->parser, &event) == 0)
			return fail_parser(r);
		is_over = event.type == YAML_STREAM_END_EVENT;
		st = on_event(r, &event);
		yaml_event_delete(&event);
	}
	return st;
}

enum status yaml_read_all(struct view bytes, enum yaml_dialect dialect, yaml_each *each, void *data, struct error *err)
{
	struct reader *r = calloc(1, sizeof *r);
	enum status    st;

	if (r == NULL || yaml_parser_initialize(&r->parser) == 0) {
		free(r);
		return fail(err, ST_NO_MEMORY, "out of memory");
	}
	if (bytes.len >= 3 && memcmp(bytes.ptr, "\xEF\xBB\xBF", 3) == 0)      /* a byte order mark is no part of any text */
		bytes = (struct view) { bytes.ptr + 3, bytes.len - 3 };
	r->bytes = bytes;
	r->builder.dialect = dialect;
	r->builder.err = r->err = err;
	r->each = each;
	r->data = data;
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->parser, (const unsigned char *) bytes.ptr, bytes.len);
	st = read_events(r);
	builder_reset(&r->builder);
	yaml_parser_delete(&r->parser);
	free(r);
	return st;
}

static enum status keep_only(void *data, size_t index, json_t *document, struct view text, struct error *err)
{
	json_t **kept = data;

	(void) index;
	(void) text;
	if (document == NULL)
		return ST_OK;                           /* a marker with nothing behind it */
	if (*kept != NULL)
		return fail(err, ST_MALFORMED, "expected one YAML document, got more");
	*kept = json_incref(document);
	return ST_OK;
}

enum status yaml_read(struct view bytes, enum yaml_dialect dialect, json_t **ret_value, struct error *err)
{
	json_t           *value = NULL;
	const enum status st = yaml_read_all(bytes, dialect, keep_only, &value, err);

	if (st != ST_OK) {
		json_decref(value);
		return st;
	}
	if (value == NULL)
		return fail(err, ST_MALFORMED, "expected a YAML document, got nothing");
	*ret_value = value;
	return ST_OK;
}
