/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef CRIU_LITE_LIB_VERSION_H
#define CRIU_LITE_LIB_VERSION_H

/* The version of CRIU whose interface this is. */
#define CRIU_VERSION	   "4.2"
#define CRIU_VERSION_MAJOR 4
#define CRIU_VERSION_MINOR 2
#define CRIU_GITID	   "0"

#endif
