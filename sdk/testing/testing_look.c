/* What a test looks at after a call. */
#include "testing_priv.h"

const char *emco_testing_text(const emco_testing *testing)
{
	return testing->text;
}

const char *emco_testing_field(const emco_testing *testing)
{
	return testing->field;
}

const char *emco_testing_hint(const emco_testing *testing)
{
	return testing->hint;
}

const char *emco_testing_logged(const emco_testing *testing)
{
	return testing->log;
}

/* Append a word to a list of words; takes the list. */
static char *add_word(char *list, const char *word)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", list, list[0] == '\0' ? "" : " ", word) < 0)
		fake_die("out of memory");
	free(list);
	return longer;
}

const char *emco_testing_clusters(emco_testing *testing, const char *context, const char *app)
{
	json_t *names = fake_sorted(fake_app(testing, context, app)), *name;
	char   *list = fake_need(strdup(""));
	size_t  i;

	json_array_foreach(names, i, name)
		list = add_word(list, json_string_value(name));
	json_decref(names);
	free(testing->clusters);
	return testing->clusters = list;
}

const char *emco_testing_objects(emco_testing *testing, const char *context, const char *app, const char *cluster)
{
	json_t *objects = fake_objects(testing, context, app, cluster), *object;
	char   *list, name[512];
	size_t  i;

	if (json_object_get(fake_app(testing, context, app), cluster) == NULL)
		return NULL;
	list = fake_need(strdup(""));
	json_array_foreach(objects, i, object) {
		fake_object_name(object, name);
		list = add_word(list, name);
	}
	free(testing->objects);
	return testing->objects = list;
}

/* One step of a JSON pointer: "~1" is "/", "~0" is "~". */
static const char *unescape(const char *pointer, char *step, size_t size)
{
	size_t len = 0;

	for (; *pointer != '\0' && *pointer != '/'; pointer++) {
		char c = *pointer;
		if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
			c = *++pointer == '1' ? '/' : '~';
		if (len + 1 < size)
			step[len++] = c;
	}
	step[len] = '\0';
	return pointer;
}

static json_t *point(json_t *value, const char *pointer)
{
	char step[512];

	while (value != NULL && *pointer == '/') {
		pointer = unescape(pointer + 1, step, sizeof step);
		if (json_is_array(value))
			value = json_array_get(value, strtoul(step, NULL, 10));
		else
			value = json_object_get(value, step);
	}
	return value;
}

const char *emco_testing_value(emco_testing *testing, const char *context, const char *app, const char *cluster,
                               const char *object, const char *pointer)
{
	json_t *value = point(fake_object(fake_objects(testing, context, app, cluster), object, NULL), pointer);

	if (value == NULL)
		return NULL;
	free(testing->value);
	testing->value = fake_need(json_is_string(value) ? strdup(json_string_value(value))
	                                                 : json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY));
	return testing->value;
}
