/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_ADOPT_H
#define CORE_ADOPT_H

#include "core/context.h"

/* In the coordinator, while all newborns wait: give those their parents who were born of others. */
int adopt_tasks(struct restore *r, struct err *err);

/* While they wait in their groups: end all helpers. */
int adopt_end_helpers(struct restore *r, struct err *err);

#endif
