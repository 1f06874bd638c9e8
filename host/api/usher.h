/*
 * usher.h - one connection at each of civetweb's threads, and who has to leave.
 *
 * A thread that waits for a head, or for somebody to take an answer, is held by that peer.  While one thread in eight is
 * free nobody minds.  When fewer are, whoever has kept his thread waiting longest goes: the idle, half a head, an answer that
 * is not taken and has no slot.  With a slot it has time by its length.
 *
 * civetweb hands no socket out, so the usher finds it by its peer among the process's own.
 */
#ifndef HOST_API_USHER_H
#define HOST_API_USHER_H

#include "host/api/api.h"

#include <civetweb.h>

struct usher;
struct seat;           /* one thread's */

/* Of so many threads.  ST_NO_MEMORY, ST_UNAVAILABLE: no thread for it. */
enum status MUST_CHECK usher_open(struct api *api, unsigned threads, struct usher **ret_usher, struct error *err);

/* When the threads have ended.  Accepts NULL. */
void usher_close(struct usher *usher);

/* For a thread that begins; NULL: more threads than were told, which is our bug.  Lives as long as the usher. */
struct seat *usher_seat(struct usher *usher);

/* [the seat's thread]  A connection comes, and its first head is awaited; it goes, and its socket is still open. */
void seat_take(struct seat *seat, const struct mg_connection *conn);
void seat_leave(struct seat *seat);

/* [the seat's thread]  What keeps it now: the next head; our own work; a peer that takes an answer, or a piece of it. */
void seat_await(struct seat *seat);
void seat_serve(struct seat *seat);
void seat_send(struct seat *seat);
void seat_sent(struct seat *seat, size_t bytes);

/* [the seat's thread]  Has the head been awaited too long, by us, or for so many ms: the connection's first, or a later one? */
bool seat_is_late(struct seat *seat, int first_ms, int next_ms);

/* [the seat's thread]  Has its peer to leave?  Then nothing more comes from it, and this is its last answer. */
bool seat_is_sent_away(struct seat *seat);

#endif
