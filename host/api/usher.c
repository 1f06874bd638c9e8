/* Looks round four times a second, and without pause while no thread is free. */
#include "host/api/usher.h"

#include "host/api/slot.h"
#include "lib/base/clock.h"

#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

enum {
	LOOK_MS        = 250,
	FULL_LOOK_MS   = 10,
	PATIENCE_MIN_MS = 10, PATIENCE_MAX_MS = 50,     /* for a head, while others wait: a head comes in one go      */
	SEND_MS        = 10000,                         /* every answer has so long,                                  */
	SEND_RATE      = 16 << 10,                      /* and a second more for so many bytes,                       */
	CROWDED_RATE   = 256 << 10,                     /* or, while all slots are taken, for so many                 */
	SLOT_MS        = 50,                            /* an answer that takes longer needs a slot                   */
	HURRIED_MS     = 250, HURRIED_RATE = 16 << 20,  /* of one that gets none, while no thread is free             */
};

enum duty { DUTY_NONE, DUTY_AWAIT, DUTY_SERVE, DUTY_SEND };

struct seat {
	struct usher               *usher;
	pthread_mutex_t             lock;              /* guards the following                                  */
	enum duty                   duty;
	const struct mg_connection *conn;
	int64_t                     since_ns, sent_ns; /* of the duty; of earlier pieces of the answer          */
	size_t                      sent;              /* bytes of the answer                                   */
	bool                        has_slot, is_sent_away;
	bool                        is_kept;           /* the connection has had an answer                      */
};

/* Who has to leave, as he was when he was looked at. */
struct late {
	struct seat *seat;
	int64_t      since_ns;
	uint16_t     port, own_port;
	char         address[64];
};

struct usher {
	struct api     *api;
	unsigned        count, enough;    /* of so many that are taken, too few are left */
	struct seat    *seats;
	struct late    *late;             /* the usher's own, room for all     */
	atomic_uint     given, taken;     /* seats: with a thread; with a connection */
	pthread_t       thread;
	bool            has_thread;
	pthread_mutex_t lock;             /* guards is_stopping                */
	pthread_cond_t  full;
	bool            is_stopping;
};

/* -- seats ------------------------------------------------------------------------------------------------------------ */

static bool is_full(struct usher *usher)
{
	return atomic_load(&usher->taken) >= usher->enough;
}

/* Under the seat's lock.  The slot is the answer's, with all its pieces. */
static void begin(struct seat *seat, enum duty duty)
{
	if (seat->has_slot && (duty == DUTY_AWAIT || duty == DUTY_NONE)) {
		slot_give(seat->usher->api, SLOT_ANSWER);
		seat->has_slot = false;
	}
	seat->duty = duty;
	seat->since_ns = clock_ns();
}

void seat_take(struct seat *seat, const struct mg_connection *conn)
{
	pthread_mutex_lock(&seat->lock);
	seat->conn = conn;
	seat->is_sent_away = seat->is_kept = false;
	begin(seat, DUTY_AWAIT);
	pthread_mutex_unlock(&seat->lock);
	if (atomic_fetch_add(&seat->usher->taken, 1) + 1 < seat->usher->enough)
		return;
	pthread_mutex_lock(&seat->usher->lock);
	pthread_cond_signal(&seat->usher->full);
	pthread_mutex_unlock(&seat->usher->lock);
}

void seat_leave(struct seat *seat)
{
	pthread_mutex_lock(&seat->lock);
	begin(seat, DUTY_NONE);
	pthread_mutex_unlock(&seat->lock);
	atomic_fetch_sub(&seat->usher->taken, 1);
}

void seat_await(struct seat *seat)
{
	pthread_mutex_lock(&seat->lock);
	seat->is_kept = true;
	begin(seat, DUTY_AWAIT);
	pthread_mutex_unlock(&seat->lock);
}

void seat_serve(struct seat *seat)
{
	pthread_mutex_lock(&seat->lock);
	if (seat->duty == DUTY_SEND) {                  /* the answer is one, whatever is done between its pieces */
		seat->sent_ns += clock_ns() - seat->since_ns;
	} else {
		seat->sent_ns = 0;
		seat->sent = 0;
	}
	begin(seat, DUTY_SERVE);
	pthread_mutex_unlock(&seat->lock);
}

void seat_send(struct seat *seat)
{
	pthread_mutex_lock(&seat->lock);
	begin(seat, DUTY_SEND);
	pthread_mutex_unlock(&seat->lock);
}

void seat_sent(struct seat *seat, size_t bytes)
{
	pthread_mutex_lock(&seat->lock);
	seat->sent += bytes;
	pthread_mutex_unlock(&seat->lock);
}

bool seat_is_late(struct seat *seat, int first_ms, int next_ms)
{
	pthread_mutex_lock(&seat->lock);
	const int  ms = seat->is_kept && next_ms < first_ms ? next_ms : first_ms;
	const bool is_late = seat->is_sent_away || (seat->duty == DUTY_AWAIT && clock_ns() - seat->since_ns >= (int64_t) ms * 1000000);
	pthread_mutex_unlock(&seat->lock);
	return is_late;
}

bool seat_is_sent_away(struct seat *seat)
{
	pthread_mutex_lock(&seat->lock);
	const bool is_sent_away = seat->is_sent_away;
	pthread_mutex_unlock(&seat->lock);
	return is_sent_away;
}

/* -- who is late ------------------------------------------------------------------------------------------------------ */

static int64_t time_for(int64_t ms, size_t bytes, size_t rate)
{
	return ms * 1000000 + (int64_t) (bytes * 1000 / rate) * 1000000;
}

static int64_t patience_ms(const struct usher *usher)
{
	return usher->count < PATIENCE_MIN_MS ? PATIENCE_MIN_MS : usher->count > PATIENCE_MAX_MS ? PATIENCE_MAX_MS : usher->count;
}

/* Under the seat's lock. */
static int64_t waited_ns(const struct seat *seat, int64_t now_ns)
{
	return now_ns - seat->since_ns + (seat->duty == DUTY_SEND ? seat->sent_ns : 0);
}

/* Under the seat's lock.  What of its peer it may be kept waiting; of a head civetweb bounds it, while nobody else waits. */
static int64_t allowance_ns(const struct seat *seat, bool others_wait)
{
	if (seat->duty == DUTY_AWAIT)
		return others_wait ? patience_ms(seat->usher) * 1000000 : INT64_MAX;
	if (seat->duty != DUTY_SEND)
		return INT64_MAX;
	if (others_wait && !seat->has_slot)
		return time_for(HURRIED_MS, seat->sent, HURRIED_RATE);
	return time_for(SEND_MS, seat->sent, slots_are_taken(seat->usher->api, SLOT_ANSWER) ? CROWDED_RATE : SEND_RATE);
}

static bool note_late(struct seat *seat, int64_t now_ns, bool others_wait, struct late *late)
{
	const struct mg_request_info *info = NULL;

	pthread_mutex_lock(&seat->lock);
	const int64_t waited = waited_ns(seat, now_ns);
	if (seat->duty == DUTY_SEND && !seat->has_slot && waited > (int64_t) SLOT_MS * 1000000)
		seat->has_slot = slot_try(seat->usher->api, SLOT_ANSWER);
	/* The peer is the same since the connection was taken, and civetweb has no other way to be asked for it. */
	if (waited > allowance_ns(seat, others_wait) && (info = mg_get_request_info(seat->conn)) != NULL) {
		*late = (struct late) {
			.seat = seat, .since_ns = seat->since_ns, .port = (uint16_t) info->remote_port, .own_port = (uint16_t) info->server_port,
		};
		snprintf(late->address, sizeof late->address, "%s", info->remote_addr);
	}
	pthread_mutex_unlock(&seat->lock);
	return info != NULL;
}

static int compare_late(const void *a, const void *b)
{
	const struct late *left = a, *right = b;

	return (left->since_ns > right->since_ns) - (left->since_ns < right->since_ns);
}

/* -- sockets ---------------------------------------------------------------------------------------------------------- */

static uint16_t port_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *) address)->sin_port);
	return address->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *) address)->sin6_port) : 0;
}

/* Addresses as civetweb writes them. */
static bool is_peer(int fd, const struct late *late)
{
	struct sockaddr_storage peer, own;
	socklen_t peer_len = sizeof peer, own_len = sizeof own;
	char      text[sizeof late->address];

	return getpeername(fd, (struct sockaddr *) &peer, &peer_len) == 0 && port_of(&peer) == late->port
	       && getsockname(fd, (struct sockaddr *) &own, &own_len) == 0 && port_of(&own) == late->own_port
	       && getnameinfo((struct sockaddr *) &peer, peer_len, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0
	       && strcmp(text, late->address) == 0;
}

/* What he was waited for has come, and his thread has only not seen it yet. */
static bool has_sent(int fd)
{
	int bytes = 0;

	return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/*
 * NOTE: while the seat is locked and at the same duty its thread cannot close the socket, so the number that was found is
 * still this socket's: without that we might cut whoever has the number now.  A head's peer can still be told why.
 */
static void send_away(const struct late *late, int fd)
{
	struct seat *seat = late->seat;

	pthread_mutex_lock(&seat->lock);
	if (seat->since_ns == late->since_ns && (seat->duty == DUTY_AWAIT || seat->duty == DUTY_SEND) && is_peer(fd, late)
	    && !(seat->duty == DUTY_AWAIT && has_sent(fd))) {
		seat->is_sent_away = true;
		/* What has not been taken of an answer would stay in the kernel for as long. */
		if (seat->duty == DUTY_SEND)
			IGNORE(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger) { .l_onoff = 1 }, sizeof(struct linger)) == 0);
		IGNORE(shutdown(fd, seat->duty == DUTY_AWAIT ? SHUT_RD : SHUT_RDWR) == 0);
	}
	pthread_mutex_unlock(&seat->lock);
}

static void find_and_send_away(const struct late *late, size_t count)
{
	struct sockaddr_storage peer;
	DIR *folder = opendir("/proc/self/fd");

	for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
		socklen_t len = sizeof peer;
		const int fd = (int) strtol(entry->d_name, NULL, 10);
		if (getpeername(fd, (struct sockaddr *) &peer, &len) != 0)
			continue;
		const uint16_t port = port_of(&peer);
		for (size_t i = 0; i < count; i++)
			if (late[i].port == port)
				send_away(&late[i], fd);
	}
	if (folder != NULL)
		closedir(folder);
}

/* -- the usher -------------------------------------------------------------------------------------------------------- */

/* The longest first, and not all at once: a few free threads may be enough. */
static void look_round(struct usher *usher)
{
	const bool    others_wait = is_full(usher);
	const int64_t now_ns = clock_ns();
	const size_t  most = usher->count / 4 + 1;
	size_t        count = 0;

	for (unsigned i = 0; i < usher->count; i++)
		count += note_late(&usher->seats[i], now_ns, others_wait, &usher->late[count]);
	if (count == 0)
		return;
	qsort(usher->late, count, sizeof *usher->late, compare_late);
	find_and_send_away(usher->late, count < most ? count : most);
}

static bool wait_a_while(struct usher *usher)
{
	pthread_mutex_lock(&usher->lock);                /* who makes it full signals under it */
	const bool      was_full = is_full(usher);
	const int64_t   until_ns = clock_ns() + (was_full ? FULL_LOOK_MS : LOOK_MS) * INT64_C(1000000);
	struct timespec until = { until_ns / 1000000000, until_ns % 1000000000 };
	while (!usher->is_stopping && is_full(usher) == was_full
	       && pthread_cond_timedwait(&usher->full, &usher->lock, &until) == 0)
		;
	const bool goes_on = !usher->is_stopping;
	pthread_mutex_unlock(&usher->lock);
	return goes_on;
}

static void *stand_there(void *data)
{
	struct usher *usher = data;

	while (wait_a_while(usher))
		look_round(usher);
	return NULL;
}

struct seat *usher_seat(struct usher *usher)
{
	const unsigned index = atomic_fetch_add(&usher->given, 1);

	return index < usher->count ? &usher->seats[index] : NULL;
}

enum status usher_open(struct api *api, unsigned threads, struct usher **ret_usher, struct error *err)
{
	struct usher      *usher = calloc(1, sizeof *usher);

	if (usher == NULL)
		return fail(err, ST_NO_MEMORY, "no memory for the usher");
	pthread_mutex_init(&usher->lock, NULL);
	condition_init(&usher->full);
	usher->api = api;
	usher->enough = threads - threads / 8;
	usher->seats = calloc(threads, sizeof *usher->seats);
	usher->late = calloc(threads, sizeof *usher->late);
	if (usher->seats != NULL)
		usher->count = threads;
	for (unsigned i = 0; i < usher->count; i++) {
		usher->seats[i].usher = usher;
		pthread_mutex_init(&usher->seats[i].lock, NULL);
	}
	if (usher->seats == NULL || usher->late == NULL) {
		usher_close(usher);
		return fail(err, ST_NO_MEMORY, "no memory for the usher");
	}
	usher->has_thread = pthread_create(&usher->thread, NULL, stand_there, usher) == 0;
	if (!usher->has_thread) {
		usher_close(usher);
		return fail(err, ST_UNAVAILABLE, "could not start the thread that sends slow clients away");
	}
	*ret_usher = usher;
	return ST_OK;
}

void usher_close(struct usher *usher)
{
	if (usher == NULL)
		return;
	pthread_mutex_lock(&usher->lock);
	usher->is_stopping = true;
	pthread_cond_signal(&usher->full);
	pthread_mutex_unlock(&usher->lock);
	if (usher->has_thread)
		pthread_join(usher->thread, NULL);
	for (unsigned i = 0; i < usher->count; i++)
		pthread_mutex_destroy(&usher->seats[i].lock);
	pthread_cond_destroy(&usher->full);
	pthread_mutex_destroy(&usher->lock);
	free(usher->late);
	free(usher->seats);
	free(usher);
}
