/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_NS_MAPS_H
#define CORE_NS_MAPS_H

#include "core/context.h"

/*
 * The id maps of the tree's user namespace: from /proc (dump), to userns-ID.img,
 * and back.  Translation is in ns.h.
 *
 * ns_maps_write: to the user namespace of @pid, as somebody with privilege outside of it.
 */
int ns_maps_collect(struct dump *d, struct err *err);
int ns_maps_save(struct dump *d, struct err *err);
int ns_maps_read(struct restore *r, struct err *err);
int ns_maps_write(struct restore *r, pid_t pid, struct err *err);

#endif
