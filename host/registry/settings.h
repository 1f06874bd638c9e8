/*
 * settings.h - libconfig files, read through a table of options.
 *
 * The daemon's own options and those of every plugin are the same kind of row (emco/option.h), checked by the same code:
 * an unknown name, a wrong type, a value out of range or a missing one is told with file and line.  Nothing else reads a
 * libconfig value, because the library wraps what does not fit and answers "no" both for absent and for wrong type.
 */
#ifndef HOST_REGISTRY_SETTINGS_H
#define HOST_REGISTRY_SETTINGS_H

#include "emco/option.h"
#include "lib/base/arena.h"

#include <libconfig.h>

enum { SETTINGS_FILE_MAX = 1 << 20 };

/* A row of this type allows a group of that name and reads nothing of it: for a table of its own, by config_setting_get_member. */
#define SETTINGS_GROUP  1000u

/*
 * Parse a file.  *ret_root lives in arena.  ST_MALFORMED `main.conf:7: syntax error`; ST_NOT_FOUND, ST_FORBIDDEN: the
 * file itself.  Whole numbers keep their value up to 64 bits with or without the suffix L; beyond is a fault, and so is
 * @include.
 */
enum status MUST_CHECK settings_open(const char *file, struct arena *arena, const config_setting_t **ret_root,
                                     struct error *err);

/*
 * Fill the struct that the rows describe from one group (NULL: an empty one).  options ends with a nameless row;
 * option_size is the size of a row as its maker knew it.  Texts and lists are copied into arena.  file is for messages.
 *
 * ST_INVALID: the first fault in the order of the file, then what is missing; err->field is the option's name, and the
 * hint tells a likely name.  ret_struct is written only on ST_OK.  A default that its own row refuses is the maker's
 * fault, and told as such.  Defaults of lists are separated by spaces.
 */
enum status MUST_CHECK settings_read(const config_setting_t *group, const emco_option *options, size_t option_size,
                                     size_t struct_size, void *ret_struct, struct arena *arena, const char *file,
                                     struct error *err);

/* Append the table as a commented file: help, type, limits and default of each option. */
enum status MUST_CHECK settings_print(const emco_option *options, size_t option_size, struct buf *out,
                                      struct error *err);

#endif
