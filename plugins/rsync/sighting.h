/*
 * sighting.h - what is kept of an object that a watch told of.
 */
#ifndef RSYNC_SIGHTING_H
#define RSYNC_SIGHTING_H

#include "plugins/rsync/work.h"

/* One event, owned by whoever holds it; all texts in one block behind it. */
struct sighting {
	struct sighting *next;
	void            *from;           /* the watch that told                                    */
	enum kube_event  event;
	bool             is_ready, is_member, is_hook;
	uint64_t         fields;         /* hash of what our manager owns; 0: nothing              */
	uint64_t         since;          /* hash of when it last applied                           */
	enum drift       drift;          /* what is to be done about a change                      */
	struct view      key;            /* "ns1/web", the beginning of "ns1/web+Deployment\0"     */
	const char      *label, *name;   /* "4711-web"; "web+Deployment", the end of the same      */
	const char      *text;           /* why it is not ready, or cannot be seen                 */
};

/* "web+Deployment", as the object's set has it; cut to size. */
void sighting_name(const json_t *object, char *name, size_t size);

/* NULL: no memory, or an object without a label, or with no name or none that can be.  object: NULL for KUBE_SYNCED and KUBE_LOST. */
struct sighting *sighting_new(enum kube_event event, const json_t *object, const char *text);

#endif
