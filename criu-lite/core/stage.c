/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stage - runs stages forward, ends them in reverse
 */
#include <time.h>

#include "base/inject.h"
#include "base/log.h"
#include "core/guard.h"
#include "core/stage.h"

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static int stage_forward(const struct stage *s, void *run, struct err *err)
{
	long start = now_us();

	log_info("stage %s", s->name);
	if (guard_check(err) < 0 || inject_point(err, "%s", s->name) < 0 || s->run(run, err) < 0 ||
	    inject_point(err, "%s:end", s->name) < 0) {
		if (s->explain)
			s->explain(run, err);
		return err_in(err, "%s", s->name);
	}
	log_info("stage %s took %ld us", s->name, now_us() - start);
	return 0;
}

/* The end is called even if a test wants this to fail: it is what puts things right. */
static int stage_back(const struct stage *s, void *run, bool ok, struct err *err)
{
	int failed, ret;

	log_debug("stage %s ends", s->name);
	failed = inject_point(err, "%s:back", s->name);
	if (!s->end) {
		ret = failed;
	} else if (failed < 0) {
		struct err other;

		s->end(run, false, &other);
		ret = failed;
	} else {
		ret = s->end(run, ok, err);
	}
	return ret < 0 ? err_in(err, "%s", s->name) : 0;
}

int stages_run(const struct stage *stages, size_t n, void *run, struct err *err)
{
	size_t tried = 0;
	bool ok = true;

	while (ok && tried < n)
		ok = stage_forward(&stages[tried++], run, err) == 0;

	while (tried > 0) {
		struct err other;

		if (stage_back(&stages[--tried], run, ok, ok ? err : &other) == 0)
			continue;
		if (!ok)
			log_error("and then: %s: %s", other.what, other.why);
		ok = false;
	}
	return ok ? 0 : -err->code;
}
