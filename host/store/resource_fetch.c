/*
 * Reads that share statements.  Some are under way at once; who comes then waits in a line, and the next to read takes it along.
 * So under load a statement serves several, and elsewhere it serves one, with nothing added.  Nobody gets what was read before
 * he asked: a statement begins after all whom it serves have come.
 *
 * It saves switches between the processes of one machine, and so is for a database on it; elsewhere nobody waits.  Nor does
 * anybody for long: who is late has lost his turn, and a shared statement that takes too long is given up, and each reads alone.
 */
#include "host/store/db_priv.h"
#include "host/store/resource_priv.h"
#include "host/store/store_priv.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <semaphore.h>
#include <unistd.h>

enum {
	ALONG     = 8,          /* reads of one statement: bounds the documents that are in memory for it */
	TURNS_MAX = 64
};

static const struct query fetch_query = { "resource_fetch",
	"SELECT doc, version, id, path FROM resource WHERE doc IS NOT NULL"
	" AND path = ANY (ARRAY[$1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text])" };

/* One read, on the stack of who waits for it. */
struct fetch {
	struct fetch *next;
	struct view   path;
	int64_t       deadline_ns;
	struct turn  *turn;                   /* NULL: it reads without one                                  */
	struct buf   *doc;
	struct resource_seen found;
	struct error *err;
	enum status   status;                 /* when it IS_READ                                             */
	_Atomic enum fetch_state {
		IN_LINE, IN_TURN, IS_TAKEN,       /* under the lock                                              */
		IS_READ, IS_UNREAD                /* by who took it; unread: he could not, and it reads alone    */
	} state;
	sem_t         told;                   /* in line no more; once it is posted, all of this may be gone */
};

struct turn {
	const struct fetch *whose;            /* NULL: it is free                            */
	int64_t             begun_ns;         /* who is late has lost it to whoever comes    */
};

struct fetcher {
	struct fetch_rules rules;
	pthread_mutex_t lock;                 /* guards all below  */
	struct fetch   *first, **end;         /* the line          */
	struct turn     turns[TURNS_MAX];     /* rules.at_once     */
	bool            is_near;              /* the database, as the last connection was */
};

struct fetch_rules fetch_rules_of_machine(void)
{
	const long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return (struct fetch_rules) {
		.at_once = processors > 1 ? ((unsigned) processors + 1) / 2 : 1,        /* a statement keeps two busy: theirs and ours */
		.late_ns = 5000000,
		.shared_ns = 1000000000,
	};
}

enum status fetcher_open(const struct fetch_rules *rules, struct fetcher **ret_fetcher, struct error *err)
{
	struct fetcher *fetcher = calloc(1, sizeof *fetcher);

	if (fetcher == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	pthread_mutex_init(&fetcher->lock, NULL);
	fetcher->rules = *rules;
	if (fetcher->rules.at_once > TURNS_MAX)
		fetcher->rules.at_once = TURNS_MAX;
	fetcher->end = &fetcher->first;
	*ret_fetcher = fetcher;
	return ST_OK;
}

void fetcher_close(struct fetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	pthread_mutex_destroy(&fetcher->lock);
	free(fetcher);
}

/* -- the line: under the lock -- */

static void stand_in_line(struct fetcher *fetcher, struct fetch *fetch)
{
	*fetcher->end = fetch;
	fetcher->end = &fetch->next;
}

static void leave_line(struct fetcher *fetcher, struct fetch *fetch)
{
	struct fetch **at = &fetcher->first;

	while (*at != fetch)
		at = &(*at)->next;
	*at = fetch->next;
	if (*at == NULL)
		fetcher->end = at;
}

/* The first of the line, whose state is then another. */
static struct fetch *call_first(struct fetcher *fetcher, enum fetch_state state)
{
	struct fetch *fetch = fetcher->first;

	if (fetch != NULL) {
		leave_line(fetcher, fetch);
		fetch->state = state;
	}
	return fetch;
}

/* -- turns: under the lock -- */

/* Free, or lost by who is late.  NULL: none, until ret_until_ns. */
static struct turn *find_turn(struct fetcher *fetcher, int64_t now_ns, int64_t *ret_until_ns)
{
	*ret_until_ns = now_ns + fetcher->rules.late_ns;
	for (unsigned i = 0; i < fetcher->rules.at_once; i++) {
		struct turn  *turn = &fetcher->turns[i];
		const int64_t until_ns = turn->begun_ns + fetcher->rules.late_ns;
		if (turn->whose == NULL || until_ns <= now_ns)
			return turn;
		if (until_ns < *ret_until_ns)
			*ret_until_ns = until_ns;
	}
	return NULL;
}

static void give_turn(struct turn *turn, struct fetch *fetch, int64_t now_ns)
{
	turn->whose = fetch;
	turn->begun_ns = now_ns;
	if (fetch != NULL)
		fetch->turn = turn;
}

static bool has_turn(const struct fetch *fetch)
{
	return fetch->turn != NULL && fetch->turn->whose == fetch;
}

/* -- reading -- */

static enum status take_found(struct store *store, struct fetch *fetch, const struct rows *rows, size_t row)
{
	auto_buf    scratch = BUF(DOC_MAX);
	struct view clear;

	enum status st = doc_open(store, fetch->path, rows_view(rows, row, 0), &scratch, &clear, fetch->err);
	if (st == ST_OK)
		st = buf_add_view(fetch->doc, clear, fetch->err);
	if (st == ST_OK)
		fetch->found = (struct resource_seen) { .id = rows_int(rows, row, 2), .version = (uint64_t) rows_int(rows, row, 1) };
	return st;
}

static enum status read_alone(struct store *store, struct db *db, struct fetch *fetch)
{
	return resource_read(store, db, fetch->path, fetch->doc, &fetch->found.version, &fetch->found.id, fetch->err);
}

static enum status borrow_and_read(struct store *store, struct fetch *fetch)
{
	auto_db *db = NULL;

	const enum status st = db_borrow(store->pool, fetch->deadline_ns, &db, fetch->err);
	return st == ST_OK ? read_alone(store, db, fetch) : st;
}

/* One statement for all of them.  Who is in it has twice its time at least, so that time is left for reading alone. */
static enum status read_rows(struct store *store, struct db *db, struct fetch *const *fetches, size_t count, struct rows **ret_rows)
{
	struct param params[ALONG];

	for (size_t i = 0; i < ALONG; i++)
		params[i] = i < count ? P_TEXT(fetches[i]->path) : P_NULL;
	db->deadline_ns = clock_ns() + store->fetcher->rules.shared_ns;
	return db_query(db, &fetch_query, params, ALONG, EXPECT_ROWS, ret_rows, NULL);
}

static void give_to(struct store *store, struct fetch *fetch, const struct rows *rows)
{
	size_t row = 0;

	while (row < rows_count(rows) && view_compare(rows_view(rows, row, 3), fetch->path) != 0)
		row++;
	fetch->status = row < rows_count(rows) ? take_found(store, fetch, rows, row) : resource_absent(fetch->path, fetch->err);
}

/* Our statement is over: the first of the line begins his, before we give what we have read to whom it is for. */
static void end_turn(struct fetcher *fetcher, const struct fetch *own)
{
	struct fetch *next = NULL;

	pthread_mutex_lock(&fetcher->lock);
	if (has_turn(own)) {
		next = call_first(fetcher, IN_TURN);
		give_turn(own->turn, next, clock_ns());
	}
	pthread_mutex_unlock(&fetcher->lock);
	if (next != NULL)
		sem_post(&next->told);
}

/* The line is called once there is a connection, so that nobody waits for ours.  What fails for all is read by each alone. */
static enum status read_with_line(struct store *store, struct fetch *own)
{
	struct fetcher *fetcher = store->fetcher;
	struct fetch   *fetches[ALONG] = { own };
	size_t          count = 1;
	struct db      *db = NULL;
	auto_rows      *rows = NULL;

	enum status st = db_borrow(store->pool, own->deadline_ns, &db, own->err);
	if (st == ST_OK) {
		pthread_mutex_lock(&fetcher->lock);
		fetcher->is_near = db->is_near;
		if (has_turn(own))
			own->turn->begun_ns = clock_ns();
		while (count < ALONG && (fetches[count] = call_first(fetcher, IS_TAKEN)) != NULL)
			count++;
		pthread_mutex_unlock(&fetcher->lock);
		st = count == 1 ? read_alone(store, db, own) : read_rows(store, db, fetches, count, &rows);
	}
	db_return(db);                         /* so that the next takes this one, whose process is warm */
	end_turn(fetcher, own);
	if (count == 1)
		return st;
	for (size_t i = 0; i < count; i++) {
		if (st == ST_OK)
			give_to(store, fetches[i], rows);
		fetches[i]->state = st == ST_OK ? IS_READ : IS_UNREAD;
		if (i > 0)
			sem_post(&fetches[i]->told);
	}
	return st == ST_OK ? own->status : borrow_and_read(store, own);
}

/* Until it is told.  False: not until then. */
static bool is_told(struct fetch *fetch, int64_t until_ns)
{
	const struct timespec until = { until_ns / 1000000000, until_ns % 1000000000 };

	while (sem_clockwait(&fetch->told, CLOCK_MONOTONIC, &until) != 0)
		if (errno != EINTR)
			return false;
	return true;
}

/* Who has waited takes what turn there is, and after last_ns reads without one.  False: he waits on, until ret_until_ns. */
static bool take_turn(struct fetcher *fetcher, struct fetch *fetch, int64_t last_ns, int64_t *ret_until_ns)
{
	const int64_t now_ns = clock_ns();
	bool          is_turn = false;

	pthread_mutex_lock(&fetcher->lock);
	if (fetch->state == IN_LINE) {
		struct turn *turn = find_turn(fetcher, now_ns, ret_until_ns);
		if (turn != NULL)
			give_turn(turn, fetch, now_ns);
		is_turn = turn != NULL || now_ns >= last_ns;
		if (is_turn) {
			leave_line(fetcher, fetch);
			fetch->state = IN_TURN;
		} else if (last_ns < *ret_until_ns) {
			*ret_until_ns = last_ns;
		}
	} else {
		*ret_until_ns = INT64_MAX;         /* he who has called us tells us in time: see read_rows */
	}
	pthread_mutex_unlock(&fetcher->lock);
	return is_turn;
}

/* Until another has read for us, or it is our turn. */
static void wait_in_line(struct fetcher *fetcher, struct fetch *fetch, int64_t until_ns)
{
	const int64_t last_ns = clock_ns() + 2 * fetcher->rules.late_ns;

	while (!is_told(fetch, until_ns) && !take_turn(fetcher, fetch, last_ns, &until_ns))
		;
}

static enum status fetch_in_turn(struct store *store, struct fetch *fetch)
{
	struct fetcher *fetcher = store->fetcher;
	const int64_t   now_ns = clock_ns();
	int64_t         until_ns = 0;

	if (fetch->deadline_ns - now_ns < 2 * fetcher->rules.shared_ns)
		return borrow_and_read(store, fetch);
	pthread_mutex_lock(&fetcher->lock);
	struct turn *turn = find_turn(fetcher, now_ns, &until_ns);
	const bool   is_waiting = turn == NULL && fetcher->is_near;
	if (turn != NULL)
		give_turn(turn, fetch, now_ns);
	else if (is_waiting)
		stand_in_line(fetcher, fetch);
	pthread_mutex_unlock(&fetcher->lock);
	if (!is_waiting)
		return read_with_line(store, fetch);

	wait_in_line(fetcher, fetch, until_ns);
	if (fetch->state == IN_TURN)
		return read_with_line(store, fetch);
	return fetch->state == IS_READ ? fetch->status : borrow_and_read(store, fetch);
}

enum status resource_fetch(struct store *store, struct view path, int64_t deadline_ns, struct buf *doc, struct resource_seen *ret_seen,
                           struct error *err)
{
	struct fetch own = { .path = path, .deadline_ns = deadline_ns, .doc = doc, .err = err };

	sem_init(&own.told, 0, 0);
	const enum status st = fetch_in_turn(store, &own);
	sem_destroy(&own.told);
	if (st == ST_OK)
		*ret_seen = own.found;
	return st;
}
