/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PAGE_RECEIVE_H
#define PAGE_RECEIVE_H

#include "core/page_link.h"
#include "images/store.h"

/*
 * Page server: write what a dump sends into @store, until it says that this was
 * all.  @l: whose other end is ours alone, so nothing may follow then.
 */
int page_receive(struct arena *a, struct page_link *l, bool is_ours, struct store *store,
		 struct err *err);

#endif
