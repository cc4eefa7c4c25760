/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include "core/kind.h"
#include "images/fown.pb-c.h"

/* The message of its type inside a file_entry (reg, pipe, ...), NULL if there is none. */
ProtobufCMessage *record_of_file(const FileEntry *fe);

/* Its members of that name, NULL if its type has none. */
uint32_t *record_id(const FileEntry *fe);
uint32_t *record_flags(const FileEntry *fe);
FownEntry **record_fown(const FileEntry *fe);

#endif
