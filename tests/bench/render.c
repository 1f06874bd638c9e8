/*
 * bench-render - the renderer alone: render_all of host/orchestrator on the charts it is given, with its store.
 *
 *     bench-render HELM RENDERS DATA_DIR DSN KEY_FILE PROFILE.tgz CHART.tgz...
 *
 * Reads a number a line, renders all charts at once with that number as their value "turn", and answers with the seconds it
 * took: a number for the first time is a cold render, one that was there before is looked up.
 */
#include "host/orchestrator/render.h"
#include "host/store/store.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

#include <stdio.h>

enum { CHARTS_MAX = 64, START_MS = 60000, LIMIT_MS = 120000, CHART_MAX = 64 << 20 };

static void check(enum status st, const struct error *err)
{
	if (st == ST_OK)
		return;
	fprintf(stderr, "bench-render: %s\n", err->text);
	exit(1);
}

static double render_turn(struct renderer *renderer, struct store *store, const struct buf *profile, const struct buf *charts,
                          size_t count, const char *turn)
{
	struct render renders[CHARTS_MAX];
	struct error  err = { .code = ST_OK };
	char          apps[CHARTS_MAX][24];
	auto_json    *overrides = json_pack("{s:s}", "turn", turn);

	for (size_t i = 0; i < count; i++) {
		snprintf(apps[i], sizeof apps[i], "a%zu", i);
		renders[i] = (struct render) {
			.app = view_of(apps[i]), .chart = buf_view(&charts[i]), .profile = buf_view(profile), .overrides = overrides,
			.release = VIEW("r"), .namespace_ = VIEW("default"), .kube_version = VIEW(KUBE_VERSION_DEFAULT),
		};
	}
	const int64_t begun_ns = clock_ns();
	check(render_all(renderer, store, renders, count, deadline_in_ms(LIMIT_MS), &err), &err);
	const int64_t took_ns = clock_ns() - begun_ns;
	for (size_t i = 0; i < count; i++)
		arena_done(&renders[i].arena);
	return (double) took_ns / 1e9;
}

int main(int argc, char **argv)
{
	struct renderer *renderer;
	struct store     store = { .pool = NULL };
	struct error     err = { .code = ST_OK };
	struct buf       charts[CHARTS_MAX], profile;
	char             line[32];

	if (argc < 8 || argc - 7 > CHARTS_MAX) {
		fprintf(stderr, "usage: bench-render HELM RENDERS DATA_DIR DSN KEY_FILE PROFILE.tgz CHART.tgz...\n");
		return 2;
	}
	const struct renderer_options options = { .helm = argv[1], .renders = (unsigned) strtoul(argv[2], NULL, 10),
	                                          .data_dir = argv[3], .limit_ns = (int64_t) LIMIT_MS * 1000000 };
	const struct store_options stored = { .pool = { .conninfo = argv[4], .size = 4, .statement_ns = 30000000000 },
	                                      .seal_key_file = argv[5] };
	check(renderer_open(&options, &renderer, &err), &err);
	check(store_open(&stored, deadline_in_ms(START_MS), &store, &err), &err);
	const size_t count = (size_t) argc - 7;
	buf_init(&profile, CHART_MAX);
	check(file_read(argv[6], &profile, &err), &err);
	for (size_t i = 0; i < count; i++) {
		buf_init(&charts[i], CHART_MAX);
		check(file_read(argv[7 + i], &charts[i], &err), &err);
	}
	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		printf("%.6f\n", render_turn(renderer, &store, &profile, charts, count, line));
		fflush(stdout);
	}
	buf_done(&profile);
	for (size_t i = 0; i < count; i++)
		buf_done(&charts[i]);
	renderer_close(renderer);
	store_close(&store);
	return 0;
}
