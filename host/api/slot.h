/*
 * slot.h - how many threads may be held by peers who send a body, and by those who take an answer, at whatever speed they like.
 *
 * A quarter of the threads is for neither: requests without a body, and answers that go out at once.
 */
#ifndef HOST_API_SLOT_H
#define HOST_API_SLOT_H

#include "host/api/api.h"

enum slot_use {
	SLOT_BODY,             /* half of the threads                                              */
	SLOT_CHUNKS,           /* a body of unknown length: one thread in eight, of that half      */
	SLOT_ANSWER,           /* a quarter of the threads                                         */
};

/* Waits a moment where slots come free that quickly.  False: too many. */
bool slot_take(struct api *api, enum slot_use use) MUST_CHECK;
bool slot_try(struct api *api, enum slot_use use) MUST_CHECK;         /* never waits */
void slot_give(struct api *api, enum slot_use use);

bool slots_are_taken(struct api *api, enum slot_use use);
bool slots_are_stuck(struct api *api, enum slot_use use);             /* and for so long that it makes no sense to wait */

#endif
