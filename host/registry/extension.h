/*
 * extension.h - the capabilities that plugins may ask for, by identifier.
 *
 * Whoever implements one registers its table before the first plugin is created.  Tables are static.
 */
#ifndef HOST_REGISTRY_EXTENSION_H
#define HOST_REGISTRY_EXTENSION_H

#include "lib/base/error.h"

void        extension_offer(const char *id, const void *table);      /* both borrowed for ever; before threads start */
const void *extension_find(const char *id);                          /* NULL: not offered.  Any thread               */

#endif
