#include "plugins/rsync/crew.h"

#include "plugins/rsync/pass.h"

#include <stdlib.h>

enum { FREE, RUNS, HAS_LEFT };           /* left: to be joined before its place is taken again */

struct crew {
	struct crew_options options;
	size_t              room;
	pthread_mutex_t     lock;            /* guards the states of members */
	struct member       members[];
};

struct crew *crew_new(const struct crew_options *options)
{
	const size_t room = options->size + options->spares;
	struct crew *crew = calloc(1, sizeof *crew + room * sizeof crew->members[0]);

	if (crew == NULL)
		return NULL;
	crew->options = *options;
	crew->room = room;
	pthread_mutex_init(&crew->lock, NULL);
	for (size_t i = 0; i < room; i++) {
		crew->members[i].crew = crew;
		bell_init(&crew->members[i].bell);
	}
	return crew;
}

void crew_free(struct crew *crew)
{
	if (crew == NULL)
		return;
	for (size_t i = 0; i < crew->room; i++)
		bell_done(&crew->members[i].bell);
	pthread_mutex_destroy(&crew->lock);
	free(crew);
}

static bool stands(const struct member *member)
{
	const int64_t since_ns = atomic_load(&member->stands_ns);

	return since_ns != 0 && now_ns() - since_ns > member->crew->options.patience_ns;
}

/* How many go on.  Called with the lock held. */
static size_t going(const struct crew *crew)
{
	size_t count = 0;

	for (size_t i = 0; i < crew->room; i++)
		count += crew->members[i].state == RUNS && !stands(&crew->members[i]);
	return count;
}

static void *member_run(void *data)
{
	struct member *member = data;

	member->crew->options.run(member->crew->options.data, member);
	return NULL;
}

/* One more, when there is need and room. */
static bool fill(struct crew *crew)
{
	struct member *member = NULL;
	int            before = FREE;

	pthread_mutex_lock(&crew->lock);
	for (size_t i = 0; going(crew) < crew->options.size && member == NULL && i < crew->room; i++)
		if (crew->members[i].state != RUNS)
			member = &crew->members[i];
	if (member != NULL) {
		before = member->state;
		member->state = RUNS;            /* before it runs, as it may leave at once */
	}
	pthread_mutex_unlock(&crew->lock);
	if (member == NULL)
		return false;
	if (before == HAS_LEFT)
		pthread_join(member->thread, NULL);
	if (pthread_create(&member->thread, NULL, member_run, member) == 0)
		return true;
	pthread_mutex_lock(&crew->lock);
	member->state = FREE;
	pthread_mutex_unlock(&crew->lock);
	return false;
}

bool crew_start(struct crew *crew)
{
	size_t count = 0;

	while (count < crew->options.size && fill(crew))
		count++;
	return count == crew->options.size;
}

void crew_look(struct crew *crew)
{
	while (fill(crew))
		continue;
}

bool crew_keeps(struct member *member)
{
	struct crew *crew = member->crew;

	pthread_mutex_lock(&crew->lock);
	const bool is_kept = going(crew) <= crew->options.size;
	if (!is_kept)
		member->state = HAS_LEFT;
	pthread_mutex_unlock(&crew->lock);
	return is_kept;
}

void crew_join(struct crew *crew)
{
	for (size_t i = 0; i < crew->room; i++)
		bell_ring(&crew->members[i].bell);
	for (size_t i = 0; i < crew->room; i++) {
		pthread_mutex_lock(&crew->lock);
		const bool has_run = crew->members[i].state != FREE;
		pthread_mutex_unlock(&crew->lock);
		if (has_run)
			pthread_join(crew->members[i].thread, NULL);
		crew->members[i].state = FREE;
	}
}
