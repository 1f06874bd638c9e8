/* The option table, filled from JSON under the server's rules. */
#include "testing_priv.h"

#include <inttypes.h>

static emco_option row_at(const emco_plugin *plugin, size_t index)
{
	emco_option  row = { .name = NULL };
	const size_t size = plugin->option_size < sizeof row ? plugin->option_size : sizeof row;

	if (plugin->options != NULL)
		memcpy(&row, (const char *) plugin->options + index * plugin->option_size, size);
	return row;
}

static emco_status refuse(emco_testing *testing, const emco_option *row, const char *what)
{
	snprintf(testing->field, sizeof testing->field, "%s", row->name);
	snprintf(testing->text, sizeof testing->text, "\"%s\" %s", row->name, what);
	return EMCO_E_INVALID;
}

/* Memory that lives as long as the config. */
static void *kept(emco_testing *testing, size_t size)
{
	testing->lists = fake_need(realloc(testing->lists, (testing->list_count + 1) * sizeof *testing->lists));
	return testing->lists[testing->list_count++] = fake_need(calloc(1, size + 1));
}

/* A default is text: as a JSON value of the row's type. */
static json_t *default_of(const emco_option *row)
{
	json_t *list;

	switch (row->type) {
	case EMCO_TYPE_INTEGER: return json_integer(strtoll(row->dflt, NULL, 10));
	case EMCO_TYPE_BOOLEAN: return json_boolean(strcmp(row->dflt, "true") == 0);
	case EMCO_TYPE_STRING:  return json_string(row->dflt);
	default:
		list = json_array();
		for (const char *text = row->dflt; *text != '\0';) {
			const size_t len = strcspn(text, " ");
			if (len > 0)
				json_array_append_new(list, json_stringn(text, len));
			text += len + strspn(text + len, " ");
		}
		return list;
	}
}

static emco_status put_strings(emco_testing *testing, const emco_option *row, const json_t *value, char *member)
{
	const size_t count = json_array_size(value);
	emco_str    *items = kept(testing, count * sizeof *items);

	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(value, i);
		if (!json_is_string(item))
			return refuse(testing, row, "must be a list of texts");
		items[i] = (emco_str) { json_string_value(item), json_string_length(item) };
	}
	memcpy(member, &(emco_strs) { items, count }, sizeof(emco_strs));
	return EMCO_OK;
}

static emco_status put(emco_testing *testing, const emco_option *row, const json_t *value, char *member)
{
	const bool    has_limits = row->min != 0 || row->max != 0;
	const int64_t number = json_is_string(value) ? (int64_t) json_string_length(value) : json_integer_value(value);

	if (has_limits && (row->type == EMCO_TYPE_INTEGER || row->type == EMCO_TYPE_STRING) &&
	    (number < row->min || number > row->max))
		return refuse(testing, row, "is out of its limits");
	if (row->type == EMCO_TYPE_INTEGER && json_is_integer(value))
		memcpy(member, &number, sizeof number);
	else if (row->type == EMCO_TYPE_BOOLEAN && json_is_boolean(value))
		memcpy(member, &(int32_t) { json_is_true(value) }, sizeof(int32_t));
	else if (row->type == EMCO_TYPE_STRING && json_is_string(value))
		memcpy(member, &(emco_str) { json_string_value(value), json_string_length(value) }, sizeof(emco_str));
	else if (row->type == EMCO_TYPE_STRINGS && json_is_array(value))
		return put_strings(testing, row, value, member);
	else
		return refuse(testing, row, "has the wrong type");
	return EMCO_OK;
}

emco_status fake_options(emco_testing *testing, const emco_plugin *plugin, const char *options)
{
	size_t known = 0;

	testing->config = fake_need(calloc(1, plugin->config_size + 1u));
	testing->options = json_loads(options == NULL ? "{}" : options, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(testing->options))
		fake_die("options must be a JSON object");
	const size_t given = json_object_size(testing->options);
	for (size_t i = 0; row_at(plugin, i).name != NULL; i++) {
		const emco_option row = row_at(plugin, i);
		json_t           *value = json_object_get(testing->options, row.name);
		if (value == NULL && row.dflt == NULL)
			return refuse(testing, &row, "must be given");
		if (value == NULL)
			json_object_set_new(testing->options, row.name, value = default_of(&row));
		else
			known++;
		const emco_status status = put(testing, &row, value, (char *) testing->config + row.offset);
		if (status != EMCO_OK)
			return status;
	}
	if (known == given)
		return EMCO_OK;
	snprintf(testing->text, sizeof testing->text, "an option is unknown");
	return EMCO_E_INVALID;
}
