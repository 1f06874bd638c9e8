#include "host/orchestrator/chart.h"

#include "lib/base/archive.h"
#include "lib/base/file.h"
#include "lib/base/yaml.h"

#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>

enum { PATH_LEN_MAX = 1024, RESOURCES_MAX = 1000 };

struct profile {
	json_t     *manifest;           /* owned; NULL until it is found           */
	const char *values;             /* borrowed of manifest; NULL: none        */
	json_t     *resources;          /* borrowed of manifest; NULL: none        */
	bool       *is_laid;            /* for each resource                       */
	bool        has_values;
	int         folder_fd;
	struct buf *text;               /* where the values go                     */
};

static void profile_done(struct profile *profile)
{
	json_decref(profile->manifest);
	free(profile->is_laid);
}

/* Members are found without case, as EMCO's reader does; exact first. */
static json_t *member(json_t *object, const char *name)
{
	const char *key;
	json_t     *value = json_object_get(object, name);

	if (value != NULL)
		return value;
	json_object_foreach(object, key, value)
		if (strcasecmp(key, name) == 0)
			return value;
	return NULL;
}

static const char *without_dot(const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return path;
}

/* A confined path at object's member, or NULL with err. */
static const char *path_at(json_t *object, const char *name, struct error *err)
{
	const json_t *value = member(object, name);

	if (!json_is_string(value)) {
		fail(err, ST_INVALID, "profile: manifest.yaml: \"%s\" must be a text", name);
		return NULL;
	}
	const char *path = without_dot(json_string_value(value));
	if (strlen(path) > PATH_LEN_MAX || !path_is_inside(view_of(path))) {
		fail(err, ST_INVALID, "profile: manifest.yaml: \"%s\" must be a path inside, got \"%s\"", name, path);
		return NULL;
	}
	return path;
}

static enum status find_manifest(void *data, const char *path, struct view content, struct error *err)
{
	struct profile *profile = data;

	if (strcmp(path, "manifest.yaml") != 0 || profile->manifest != NULL)
		return ST_OK;
	const enum status st = yaml_read(content, YAML_EMCO, &profile->manifest, err);
	return st == ST_OK ? ST_OK : fail_within(err, "manifest.yaml");
}

static enum status read_manifest(struct profile *profile, struct error *err)
{
	json_t *type = member(profile->manifest, "type");
	json_t *values = member(type, "values");
	size_t  i;
	json_t *resource;

	if (values != NULL && !json_is_null(values)) {
		profile->values = path_at(type, "values", err);
		if (profile->values == NULL)
			return err->code;
	}
	profile->resources = member(type, "configresource");
	if (profile->resources == NULL || json_is_null(profile->resources)) {
		profile->resources = NULL;
		return ST_OK;
	}
	if (!json_is_array(profile->resources) || json_array_size(profile->resources) > RESOURCES_MAX)
		return fail(err, ST_INVALID, "profile: manifest.yaml: \"configresource\" must be a list of at most %d",
		            RESOURCES_MAX);
	json_array_foreach(profile->resources, i, resource)
		if (path_at(resource, "filepath", err) == NULL || path_at(resource, "chartpath", err) == NULL)
			return err->code;
	profile->is_laid = calloc(json_array_size(profile->resources) + 1, sizeof *profile->is_laid);
	return profile->is_laid != NULL ? ST_OK : fail(err, ST_NO_MEMORY, "out of memory");
}

static enum status lay(const struct profile *profile, const char *target, struct view content, struct error *err)
{
	char        folder[PATH_LEN_MAX + 1];
	struct stat info;
	const char *slash = strrchr(target, '/');

	if (slash != NULL) {
		snprintf(folder, sizeof folder, "%.*s", (int) (slash - target), target);
		if (fstatat(profile->folder_fd, folder, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode))
			return fail(err, ST_INVALID, "\"%s\" goes into folder \"%s\", which the chart does not have", target, folder);
	}
	if (fstatat(profile->folder_fd, target, &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(info.st_mode))
		return fail(err, ST_INVALID, "\"%s\" is no file in the chart", target);
	return file_write_at(profile->folder_fd, target, content, err);
}

static enum status take_file(void *data, const char *path, struct view content, struct error *err)
{
	struct profile *profile = data;
	size_t          i;
	json_t         *resource;
	enum status     st;

	if (profile->values != NULL && strcmp(path, profile->values) == 0) {
		buf_clear(profile->text);
		st = buf_add_view(profile->text, content, err);
		if (st != ST_OK)
			return st;
		profile->has_values = true;
	}
	json_array_foreach(profile->resources, i, resource) {
		const char *file = without_dot(json_string_value(member(resource, "filepath")));
		if (strcmp(path, file) != 0)
			continue;
		st = lay(profile, without_dot(json_string_value(member(resource, "chartpath"))), content, err);
		if (st != ST_OK)
			return st;
		profile->is_laid[i] = true;
	}
	return ST_OK;
}

static enum status check_all_found(const struct profile *profile, struct error *err)
{
	size_t  i;
	json_t *resource;

	if (profile->values != NULL && !profile->has_values)
		return fail(err, ST_INVALID, "profile: manifest.yaml names values \"%s\", which the archive does not hold",
		            profile->values);
	json_array_foreach(profile->resources, i, resource)
		if (!profile->is_laid[i])
			return fail(err, ST_INVALID, "profile: manifest.yaml names file \"%s\", which the archive does not hold",
			            json_string_value(member(resource, "filepath")));
	return ST_OK;
}

enum status profile_apply(struct view archive, int folder_fd, struct buf *values, struct error *err)
{
	CLEANUP(profile_done) struct profile profile = { .folder_fd = folder_fd, .text = values };
	enum status st = archive_read(archive, &archive_default_limits, find_manifest, &profile, err);

	if (st != ST_OK)
		return fail_within(err, "profile");
	if (profile.manifest == NULL) {
		fail(err, ST_INVALID, "profile: the archive must hold manifest.yaml at its top, and does not");
		return fail_hint(err, "Pack the folder's contents, not the folder: tar -C folder -czf profile.tgz .");
	}
	st = read_manifest(&profile, err);
	if (st != ST_OK)
		return st;
	st = archive_read(archive, &archive_default_limits, take_file, &profile, err);
	if (st != ST_OK)
		return fail_within(err, "profile");
	return check_all_found(&profile, err);
}
