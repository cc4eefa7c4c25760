/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * the same with namespaces of one's own
 *
 * inside: ptu */
#include "file/nsfd.c"
