/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * store - where images are, whatever it is
 */
#include <errno.h>

#include "base/inject.h"
#include "images/store.h"

int store_set_version(struct store *s, uint32_t version, struct err *err)
{
	if (version == 1 || version == 2) {
		s->version = version;
		return 0;
	}

	err_set(err, EPROTONOSUPPORT, "cannot read %sinventory.img: images of version %u", s->label,
		version);
	err_why(err, "versions 1 and 2 are known");
	if (version == 0)
		return err_hint(err, "this is a pre-dump; restore from the dump made after it");
	return err_hint(err, "restore with the version of criu that took the checkpoint");
}

int store_create_file(struct store *s, const char *name, struct err *err)
{
	if (inject_point(err, "create:%s", name) < 0)
		return -err->code;
	return s->ops->create(s, name, err);
}

int store_open_file(struct store *s, const char *name, int *fd_ret, struct err *err)
{
	return s->ops->open(s, name, fd_ret, err);
}

int store_has_file(struct store *s, const char *name, bool *exists_ret, struct err *err)
{
	return s->ops->exists(s, name, exists_ret, err);
}

int store_remove_file(struct store *s, const char *name, struct err *err)
{
	return s->ops->remove(s, name, err);
}

int store_finish(struct store *s, struct err *err)
{
	if (inject_point(err, "finish:store") < 0)
		return -err->code;
	return s->ops->finish ? s->ops->finish(s, err) : 0;
}

void store_explain(struct store *s, struct err *err)
{
	if (s && s->ops->explain)
		s->ops->explain(s, err);
}

void store_close(struct store *s)
{
	if (s)
		s->ops->close(s);
}
