/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KINDS_H
#define KINDS_H

#include "core/kind.h"

/* Every kind there is. */
extern const struct kind_index all_kinds;

#endif
