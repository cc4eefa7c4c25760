/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Images: what is written can be read, and whatever is read never crashes.
 *
 *	image_test [DIRECTORY WITH IMAGES OF CRIU 4.2]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "images/cgroup.pb-c.h"
#include "images/core.pb-c.h"
#include "images/fdinfo.pb-c.h"
#include "images/ghost-file.pb-c.h"
#include "images/image.h"
#include "images/inventory.pb-c.h"
#include "images/mm.pb-c.h"
#include "images/pagemap.pb-c.h"
#include "images/pipe-data.pb-c.h"
#include "images/pstree.pb-c.h"
#include "images/seccomp.pb-c.h"
#include "images/sk-packet.pb-c.h"
#include "images/stats.pb-c.h"
#include "images/unpack.h"
#include "unit/tap.h"

static const char *samples = "test/images/criu-4.2";
static struct arena arena;
static struct store *store;
static struct err err;

#define CHECK(cond)                                                               \
	do {                                                                      \
		if (!(cond)) {                                                    \
			printf("# line %d: %s; %s\n", __LINE__, #cond, err.what); \
			return false;                                             \
		}                                                                 \
	} while (0)

/* The file of an image as bytes, made or read without the library. */

static size_t slurp(const char *name, char **bytes_ret)
{
	size_t len = 0;

	scoped_fd fd = openat(store_dirfd(store), name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_slurp(fd, &arena, bytes_ret, &len) < 0)
		return 0;
	return len;
}

static bool spill(const char *name, const void *bytes, size_t len)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;

	scoped_fd fd = openat(store_dirfd(store), name, flags, 0600);
	return fd >= 0 && io_write(fd, bytes, len) == 0;
}

static bool exists(const char *name)
{
	return faccessat(store_dirfd(store), name, F_OK, 0) == 0;
}

/* How many entries can be read; negative if an error came first. */
static int count_in(struct store *s, enum image_type type, unsigned long id)
{
	scoped_image *img = NULL;
	bool found = false;
	void *msg;
	int n = 0, ret;

	memset(&err, 0, sizeof(err));
	ret = image_open(s, type, id, &arena, &img, &found, &err);
	if (ret < 0 || !found)
		return ret < 0 ? ret : -ENOENT;
	while ((ret = image_get(img, NULL, &msg, &err)) > 0)
		n++;
	return ret < 0 ? ret : n;
}

static int count(enum image_type type)
{
	return count_in(store, type, 0);
}

static bool failed_with(int ret, const char *file, const char *words)
{
	char start[128];

	snprintf(start, sizeof(start), "cannot read %s", file);
	return ret < 0 && err.code == -ret && strncmp(err.what, start, strlen(start)) == 0 &&
	       strstr(err.what, words) && err.hint[0];
}

static bool put_pstree(size_t n)
{
	uint32_t threads[] = { 15047, 15048, 15049 };
	scoped_image *img = NULL;

	CHECK(image_create(store, IMAGE_PSTREE, 0, &img, &err) == 0);
	for (size_t i = 0; i < n; i++) {
		PstreeEntry e = PSTREE_ENTRY__INIT;

		e.pid = 15047 + (uint32_t)i;
		e.pgid = e.sid = 15047;
		e.n_threads = 3;
		e.threads = threads;
		CHECK(image_put(img, &e.base, &err) == 0);
	}
	return image_close(take_ptr(img), &err) == 0;
}

/* Round trips */

static bool test_list(void)
{
	scoped_image *img = NULL;
	bool found = false;
	void *msg;

	CHECK(put_pstree(3));
	CHECK(image_open(store, IMAGE_PSTREE, 0, &arena, &img, &found, &err) == 0 && found);
	for (uint32_t i = 0; i < 3; i++) {
		PstreeEntry *e;

		CHECK(image_get(img, &pstree_entry__descriptor, &msg, &err) == 1);
		e = msg;
		CHECK(e->pid == 15047 + i && e->ppid == 0 && e->n_threads == 3);
		CHECK(e->threads[2] == 15049);
	}
	CHECK(image_get(img, NULL, &msg, &err) == 0);
	CHECK(image_get(img, NULL, &msg, &err) == 0);
	CHECK(image_close(take_ptr(img), &err) == 0);
	return true;
}

static bool test_one(void)
{
	TaskKobjIdsEntry ids = TASK_KOBJ_IDS_ENTRY__INIT, *e = NULL;
	bool found = false;
	void *msg;

	ids.vm_id = 2;
	ids.files_id = 0xffffffff;
	ids.has_time_ns_id = true;
	ids.time_ns_id = 7;
	CHECK(image_put_one(store, IMAGE_IDS, 15047, &ids.base, &err) == 0);
	CHECK(image_get_one(store, IMAGE_IDS, 15047, &arena, &msg, &found, &err) == 0 && found);
	e = msg;
	CHECK(e->vm_id == 2 && e->files_id == 0xffffffff && e->has_time_ns_id);
	CHECK(e->time_ns_id == 7 && !e->has_user_ns_id);

	CHECK(image_get_one(store, IMAGE_IDS, 5, &arena, &msg, &found, &err) == 0 && !found);
	return true;
}

static bool test_nested(void)
{
	EventfdFileEntry efd = EVENTFD_FILE_ENTRY__INIT;
	FownEntry fown = FOWN_ENTRY__INIT;
	FileEntry file = FILE_ENTRY__INIT, *e;
	scoped_image *img = NULL;
	bool found = false;
	void *msg;

	fown.uid = 1000;
	efd.id = file.id = 5;
	efd.counter = 0xfffffffffffffffe;
	efd.fown = &fown;
	file.type = FD_TYPES__EVENTFD;
	file.efd = &efd;

	CHECK(image_put_one(store, IMAGE_FILES, 0, &file.base, &err) == 0);
	CHECK(image_open(store, IMAGE_FILES, 0, &arena, &img, &found, &err) == 0 && found);
	CHECK(image_get(img, NULL, &msg, &err) == 1);
	e = msg;
	CHECK(e->type == FD_TYPES__EVENTFD && e->efd->counter == 0xfffffffffffffffe);
	CHECK(e->efd->fown->uid == 1000);
	return true;
}

static bool test_empty_message(void)
{
	SeccompEntry e = SECCOMP_ENTRY__INIT;
	bool found = false;
	void *msg;

	CHECK(image_put_one(store, IMAGE_SECCOMP, 0, &e.base, &err) == 0);
	CHECK(image_get_one(store, IMAGE_SECCOMP, 0, &arena, &msg, &found, &err) == 0 && found);
	return ((SeccompEntry *)msg)->n_seccomp_filters == 0;
}

static bool test_incomplete_message(void)
{
	EventfdFileEntry e = EVENTFD_FILE_ENTRY__INIT;

	CHECK(image_put_one(store, IMAGE_EVENTFD_FILE, 0, &e.base, &err) == -EINVAL);
	CHECK(strstr(err.what, "cannot write eventfd.img: entry 1 (eventfd_file_entry)"));
	return !exists("eventfd.img");
}

/* Larger than the buffer, and many small pieces inside. */
static bool test_100000_vmas(void)
{
	enum { N = 100000 };
	scoped_ptr VmaEntry *vmas = calloc(N, sizeof(*vmas));
	scoped_ptr VmaEntry **list = calloc(N, sizeof(*list));
	MmEntry mm = MM_ENTRY__INIT, *e;
	bool found = false;
	void *msg;

	for (size_t i = 0; i < N; i++) {
		vma_entry__init(&vmas[i]);
		vmas[i].start = i * 4096;
		vmas[i].fd = -1;
		list[i] = &vmas[i];
	}
	mm.n_vmas = N;
	mm.vmas = list;
	CHECK(image_put_one(store, IMAGE_MM, 5, &mm.base, &err) == 0);
	CHECK(image_get_one(store, IMAGE_MM, 5, &arena, &msg, &found, &err) == 0 && found);
	e = msg;
	CHECK(e->n_vmas == N && e->vmas[N - 1]->start == (N - 1) * 4096ULL);
	return e->vmas[N / 2]->fd == -1;
}

/* Entries that lie across the end of the buffer. */
static bool test_long_list(void)
{
	CHECK(put_pstree(30000));
	return count(IMAGE_PSTREE) == 30000;
}

static bool test_head(void)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;
	PagemapEntry e = PAGEMAP_ENTRY__INIT;
	scoped_image *img = NULL;
	bool found = false;
	void *msg;

	head.pages_id = 3;
	e.vaddr = 0x7000;
	e.has_nr_pages = true;
	e.nr_pages = 17;
	CHECK(image_create(store, IMAGE_SHMEM_PAGEMAP, 45840, &img, &err) == 0);
	CHECK(image_put(img, &head.base, &err) == 0 && image_put(img, &e.base, &err) == 0);
	CHECK(image_close(take_ptr(img), &err) == 0 && exists("pagemap-shmem-45840.img"));

	CHECK(image_open(store, IMAGE_SHMEM_PAGEMAP, 45840, &arena, &img, &found, &err) == 0);
	CHECK(found && image_get(img, NULL, &msg, &err) == 1);
	CHECK(((PagemapHead *)msg)->pages_id == 3 && image_get(img, NULL, &msg, &err) == 1);
	return ((PagemapEntry *)msg)->nr_pages == 17;
}

static bool put_pipes(struct image *img)
{
	PipeDataEntry e = PIPE_DATA_ENTRY__INIT;
	int fd;

	e.pipe_id = 77;
	e.bytes = 5;
	CHECK(image_put(img, &e.base, &err) == 0 && image_put_raw(img, "hello", 5, &err) == 0);
	e.pipe_id = 78;
	CHECK(image_put(img, &e.base, &err) == 0);
	fd = image_fd(img, &err);
	CHECK(fd >= 0 && write(fd, "there", 5) == 5);
	e.pipe_id = 79;
	e.bytes = 0;
	return image_put(img, &e.base, &err) == 0;
}

static bool test_payload(void)
{
	scoped_image *img = NULL;
	bool found = false;
	char got[5];
	void *msg;
	int fd;

	CHECK(image_create(store, IMAGE_PIPES_DATA, 0, &img, &err) == 0 && put_pipes(img));
	CHECK(image_close(take_ptr(img), &err) == 0);

	CHECK(image_open(store, IMAGE_PIPES_DATA, 0, &arena, &img, &found, &err) == 0 && found);
	CHECK(image_get(img, NULL, &msg, &err) == 1);
	fd = image_fd(img, &err);
	CHECK(fd >= 0 && read(fd, got, 5) == 5 && memcmp(got, "hello", 5) == 0);
	CHECK(image_get(img, NULL, &msg, &err) == 1 && image_skip(img, 2, &err) == 0);
	CHECK(image_get_raw(img, got, 3, &err) == 0 && memcmp(got, "ere", 3) == 0);
	CHECK(image_get(img, NULL, &msg, &err) == 1 && ((PipeDataEntry *)msg)->pipe_id == 79);
	CHECK(image_left(img) == 0);
	CHECK(failed_with(image_get_raw(img, got, 1, &err), "pipes-data.img", "0 are left"));
	CHECK(image_get(img, NULL, &msg, &err) == 0);
	return true;
}

static bool test_raw(void)
{
	char page[4097] = { 1 }, got[4097];
	scoped_image *img = NULL;
	bool found = false;

	page[4096] = 5;
	CHECK(image_create(store, IMAGE_PAGES, 1, &img, &err) == 0);
	for (int i = 0; i < 40; i++)
		CHECK(image_put_raw(img, page, sizeof(page), &err) == 0);
	CHECK(image_close(take_ptr(img), &err) == 0);

	CHECK(image_open(store, IMAGE_PAGES, 1, &arena, &img, &found, &err) == 0 && found);
	CHECK(image_left(img) == 40 * 4097 && image_skip(img, 39 * 4097, &err) == 0);
	CHECK(image_get_raw(img, got, sizeof(got), &err) == 0);
	return memcmp(page, got, sizeof(page)) == 0 && image_left(img) == 0;
}

/* Files */

static bool starts_with(const char *name, const void *words, size_t len)
{
	char *bytes = NULL;
	size_t n = slurp(name, &bytes);

	return n >= len && memcmp(bytes, words, len) == 0;
}

static bool test_magics(void)
{
	InventoryEntry inventory = INVENTORY_ENTRY__INIT;
	StatsEntry stats = STATS_ENTRY__INIT;

	inventory.img_version = 2;
	CHECK(image_put_one(store, IMAGE_INVENTORY, 0, &inventory.base, &err) == 0);
	CHECK(image_put_one(store, IMAGE_STATS_DUMP, 0, &stats.base, &err) == 0);
	CHECK(put_pstree(1));
	CHECK(starts_with("inventory.img", "\x16\x31\x31\x58\x02\0\0\0\x08\x02", 10));
	CHECK(starts_with("stats-dump", "\x40\x59\x10\x55\x06\x33\x09\x57\0\0\0\0", 12));
	CHECK(starts_with("pstree.img", "\x19\x43\x56\x54\x30\x30\x27\x50", 8));
	return true;
}

static bool test_version_1(void)
{
	struct store *old = NULL;
	bool good;

	CHECK(store_open_dirfd(&arena, dup(store_dirfd(store)), &old, &err) == 0);
	CHECK(store_set_version(old, 0, &err) < 0 && store_set_version(old, 3, &err) < 0);
	CHECK(store_set_version(old, 1, &err) == 0);
	CHECK(spill("pstree.img", "\x30\x30\x27\x50\x08\0\0\0\x08\1\x10\0\x18\1\x20\1", 16));
	good = count_in(old, IMAGE_PSTREE, 0) == 1;
	store_close(old);
	return good && failed_with(count(IMAGE_PSTREE), "pstree.img", "not an image of PSTREE");
}

static bool test_lazy_file(void)
{
	scoped_image *img = NULL;
	struct stat st;

	CHECK(put_pstree(1) && exists("pstree.img"));
	CHECK(image_create(store, IMAGE_PSTREE, 0, &img, &err) == 0);
	CHECK(!exists("pstree.img"));
	CHECK(image_close(take_ptr(img), &err) == 0 && !exists("pstree.img"));
	CHECK(count(IMAGE_PSTREE) == -ENOENT);

	umask(027);
	CHECK(image_create_now(store, IMAGE_PSTREE, 0, &img, &err) == 0);
	umask(022);
	CHECK(image_close(take_ptr(img), &err) == 0 && count(IMAGE_PSTREE) == 0);
	CHECK(fstatat(store_dirfd(store), "pstree.img", &st, 0) == 0);
	return st.st_size == 8 && (st.st_mode & 07777) == 0640;
}

static bool test_planted_link(void)
{
	CHECK(spill("elsewhere", "mine", 4));
	(void)unlinkat(store_dirfd(store), "pstree.img", 0);
	CHECK(symlinkat("elsewhere", store_dirfd(store), "pstree.img") == 0);
	CHECK(put_pstree(1));
	return starts_with("elsewhere", "mine", 4) && count(IMAGE_PSTREE) == 1;
}

static bool test_fifo(void)
{
	(void)unlinkat(store_dirfd(store), "pstree.img", 0);
	CHECK(mkfifoat(store_dirfd(store), "pstree.img", 0600) == 0);
	return failed_with(count(IMAGE_PSTREE), "pstree.img", "not a regular file");
}

static bool test_file_size_limit(void)
{
	struct rlimit was, small = { 4097, RLIM_INFINITY };
	char bytes[5000] = { 0 };
	scoped_image *img = NULL;
	int ret;

	signal(SIGXFSZ, SIG_IGN);
	CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
	small.rlim_max = was.rlim_max;
	CHECK(image_create(store, IMAGE_PAGES, 2, &img, &err) == 0);
	CHECK(image_put_raw(img, bytes, sizeof(bytes), &err) == 0);
	CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
	ret = image_close(take_ptr(img), &err);
	CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
	return ret == -EFBIG && strcmp(err.what, "cannot write pages-2.img") == 0 && err.hint[0];
}

static bool test_parent(void)
{
	struct store *parent = NULL;

	CHECK(store_open_parent(&arena, store, &parent, &err) == 0 && !parent);
	CHECK(mkdirat(store_dirfd(store), "1", 0700) == 0);
	CHECK(symlinkat("1", store_dirfd(store), "parent") == 0);
	CHECK(store_open_parent(&arena, store, &parent, &err) == 0 && parent);
	CHECK(spill("1/pstree.img", "x", 1));
	CHECK(failed_with(count_in(parent, IMAGE_PSTREE, 0), "parent/pstree.img", "truncated"));
	store_close(parent);
	CHECK(unlinkat(store_dirfd(store), "1/pstree.img", 0) == 0);
	return unlinkat(store_dirfd(store), "1", AT_REMOVEDIR) == 0;
}

static bool test_names(void)
{
	static const char *const strange[] = { "core-.img",
					       "core--1.img",
					       "core-+1.img",
					       "core- 1.img",
					       "core-07.img",
					       "core-0x7.img",
					       "core-7.imgs",
					       "xcore-7.img",
					       "ghost-file-A.img",
					       "core-99999999999999999999999.img",
					       "",
					       "parent" };
	enum image_type type;
	unsigned long id;

	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		char name[IMAGE_NAME_MAX];
		bool has_id = strchr(image_info(t)->file, '%');

		image_file_name(t, 0xfeedbeefUL, name);
		CHECK(image_type_by_name(name, &type, &id));
		CHECK(type == t && id == (has_id ? 0xfeedbeefUL : 0));
		CHECK((image_info(t)->wrapper == WRAPPER_RAW) == !image_info(t)->magic);
		CHECK((image_info(t)->wrapper == WRAPPER_RAW) == !image_info(t)->message);
	}
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
		CHECK(!image_type_by_name(strange[i], &type, &id));

	CHECK(image_type_by_magic(0x56303138, &type) && type == IMAGE_FILES);
	CHECK(image_type_by_magic(0x56084025, &type) && type == IMAGE_PAGEMAP);
	return !image_type_by_magic(0, &type) && !image_type_by_magic(5, &type);
}

/* Damage */

static bool test_truncation(void)
{
	char *bytes = NULL;
	size_t len, whole;

	CHECK(put_pstree(3));
	len = slurp("pstree.img", &bytes);
	whole = (len - 8) / 3;
	CHECK(len > 8 && (len - 8) % 3 == 0);

	for (size_t cut = 0; cut < len; cut++) {
		bool between = cut >= 8 && (cut - 8) % whole == 0;
		int ret;

		CHECK(spill("pstree.img", bytes, cut));
		ret = count(IMAGE_PSTREE);
		if (between)
			CHECK(ret == (int)((cut - 8) / whole));
		else
			CHECK(failed_with(ret, "pstree.img", "truncated"));
	}
	return true;
}

static bool test_says_what_is_left(void)
{
	char *bytes = NULL;
	size_t len;

	CHECK(put_pstree(3));
	len = slurp("pstree.img", &bytes);
	CHECK(spill("pstree.img", bytes, len - 5) && count(IMAGE_PSTREE) < 0);
	return strcmp(err.what, "cannot read pstree.img: truncated (entry 3 says 20 bytes, "
				"15 are left)") == 0;
}

/* Every bit of small images; what comes out does not matter, only that it comes. */
static bool flip_bits(const char *name, enum image_type type, unsigned long id)
{
	char *bytes = NULL;
	size_t len = slurp(name, &bytes);

	CHECK(len > 0 && spill("flipped", bytes, len));
	for (size_t bit = 0; bit < len * 8; bit++) {
		int ret;

		bytes[bit / 8] ^= (char)(1 << bit % 8);
		CHECK(spill(name, bytes, len));
		ret = count_in(store, type, id);
		bytes[bit / 8] ^= (char)(1 << bit % 8);

		CHECK(ret >= 0 || failed_with(ret, name, ""));
		CHECK(bit >= 64 || ret < 0);
	}
	return true;
}

static bool test_flipped_bits(void)
{
	CHECK(test_nested() && flip_bits("files.img", IMAGE_FILES, 0));
	CHECK(put_pstree(2) && flip_bits("pstree.img", IMAGE_PSTREE, 0));
	CHECK(test_one() && flip_bits("ids-15047.img", IMAGE_IDS, 15047));
	return true;
}

static bool test_flipped_sizes(void)
{
	static const uint32_t sizes[] = {
		1, 19, 21, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc
	};
	char *bytes = NULL;
	size_t len;

	CHECK(put_pstree(2));
	len = slurp("pstree.img", &bytes);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memcpy(bytes + 8, &sizes[i], 4);
		CHECK(spill("pstree.img", bytes, len));
		CHECK(failed_with(count(IMAGE_PSTREE), "pstree.img", ""));
	}
	return true;
}

/* An image with one entry of these bytes. */
static int count_entry(enum image_type type, const void *bytes, size_t len)
{
	char name[IMAGE_NAME_MAX];
	size_t size = 12 + len;
	scoped_ptr uint32_t *file = malloc(size);

	file[0] = WRAPPER_COMMON_MAGIC;
	file[1] = image_info(type)->magic;
	file[2] = (uint32_t)len;
	memcpy(file + 3, bytes, len);
	if (!spill(image_file_name(type, 0, name), file, size))
		return -EIO;
	return count(type);
}

static bool refused(enum image_type type, const char *bytes, size_t len, const char *words)
{
	char name[IMAGE_NAME_MAX];
	int ret = count_entry(type, bytes, len);

	return failed_with(ret, image_file_name(type, 0, name), words) &&
	       strstr(err.what, "entry 1");
}

#define REFUSED(type, bytes, words) CHECK(refused(type, bytes, sizeof(bytes) - 1, words))

static bool test_bad_entries(void)
{
	/* fdinfo_entry: id, flags, type, fd are 1 to 4, a string is 5 */
	CHECK(count_entry(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20\3", 8) == 1);
	CHECK(count_entry(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20\3\x2a\1x\x90\x03\1", 14) == 1);
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1", "fdinfo_entry.fd is missing");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\x7b\x20\3",
		"fdinfo_entry.type has the unknown value 123");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\x81\x80\x80\x80\x10\x20\3", "unknown value");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20\3\x2a\2x\0", "has a NUL inside");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20\3\x2a\2x", "is cut off");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20\3\x20\3", "fd comes twice");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20", "fd is cut off");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x25\3\0\0\0", "fd has the wrong wire type");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x22\1\1", "fd has the wrong wire type");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20\3\x07", "impossible field number");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20\3\x93\x03", "wire type that is not used");
	REFUSED(IMAGE_FDINFO, "\x08\1\x10\0\x18\1\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",
		"fd is cut off");
	REFUSED(IMAGE_FDINFO, "\x88\x80\x80\x80\x80\0\1\x10\0\x18\1\x20\3", "is not protobuf");
	return true;
}

static bool test_packed(void)
{
	const char good[] = "\x08\1\x10\0\x18\1\x20\1\x2a\3\5\x96\1";

	CHECK(count_entry(IMAGE_PSTREE, good, sizeof(good) - 1) == 1);
	REFUSED(IMAGE_PSTREE, "\x08\1\x10\0\x18\1\x20\1\x2a\2\5\x96", "threads is cut off");
	return true;
}

/* A directory in a directory in a directory... each as a length and what is left. */
static bool test_nesting(void)
{
	enum { LEVELS = 100000, STEP = 10 };
	size_t size = LEVELS * STEP;
	scoped_ptr char *bytes = malloc(size);
	char *p = bytes;

	for (size_t i = 0; i < LEVELS; i++) {
		uint32_t left = (uint32_t)(size - STEP * (i + 1) + 4);

		*p++ = 0x12; /* controllers, dirs, children: all are field 2 */
		*p++ = (char)(left | 0x80);
		*p++ = (char)(left >> 7 | 0x80);
		*p++ = (char)(left >> 14 | 0x80);
		*p++ = (char)(left >> 21 & 0x7f);
		memcpy(p, "\x0a\3xyz", 5);
		p += 5;
	}
	CHECK(refused(IMAGE_CGROUP, bytes, size, ""));
	return true;
}

static bool test_deep_but_right(void)
{
	char bytes[10000];
	char *end = bytes + sizeof(bytes), *p = end;

	/* cgroup_dir_entry from inside out: children { ... }, dir_name "a" */
	for (int i = 0; i < 200; i++) {
		size_t len = (size_t)(end - p);

		if (i > 0) {
			*--p = (char)(len >> 7);
			*--p = (char)(len | 0x80);
			*--p = 0x12;
		}
		p -= 3;
		memcpy(p, "\x0a\1a", 3);
		if (i == 50)
			CHECK(message_unpack(&arena, &cgroup_dir_entry__descriptor, p,
					     (size_t)(end - p), &(void *){ NULL }, &err) == 0);
	}
	CHECK(message_unpack(&arena, &cgroup_dir_entry__descriptor, p, (size_t)(end - p),
			     &(void *){ NULL }, &err) == -EBADMSG);
	return strstr(err.what, "cgroup_dir_entry is nested too deeply");
}

/* Small in the file and large in memory: controllers without anything. */
static bool test_amplification(void)
{
	enum { N = (1 << 19) + 100 };
	scoped_ptr char *bytes = malloc(2 * N);

	for (size_t i = 0; i < N; i++)
		memcpy(bytes + 2 * i, "\x12", 2);
	CHECK(count_entry(IMAGE_CGROUP, bytes, 1000) == 1);
	CHECK(refused(IMAGE_CGROUP, bytes, 2 * N, "takes too much memory"));
	return true;
}

static bool test_too_large(void)
{
	uint32_t file[3] = { WRAPPER_COMMON_MAGIC, 0x50273030, (64 << 20) + 1 };

	CHECK(spill("pstree.img", file, sizeof(file)));

	scoped_fd fd = openat(store_dirfd(store), "pstree.img", O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, 80 << 20) == 0);
	CHECK(failed_with(count(IMAGE_PSTREE), "pstree.img",
			  "entry 1 of 67108865 bytes is too large"));
	return true;
}

static bool test_second_entry(void)
{
	char *bytes = NULL, *twice;
	bool found = false;
	void *msg;
	size_t len;

	CHECK(test_one());
	len = slurp("ids-15047.img", &bytes);
	CHECK(spill("ids-5.img", bytes, 8));
	CHECK(failed_with(image_get_one(store, IMAGE_IDS, 5, &arena, &msg, &found, &err),
			  "ids-5.img", "no entry"));

	twice = arena_alloc(&arena, 2 * len);
	memcpy(twice, bytes, len);
	memcpy(twice + len, bytes + 8, len - 8);
	CHECK(spill("ids-5.img", twice, 2 * len - 8));
	CHECK(failed_with(image_get_one(store, IMAGE_IDS, 5, &arena, &msg, &found, &err),
			  "ids-5.img", "more than one entry"));
	return true;
}

/* Images of CRIU */

static int64_t payload_of(enum image_type type, const void *msg, int64_t left)
{
	if (type == IMAGE_PIPES_DATA || type == IMAGE_FIFO_DATA)
		return ((const PipeDataEntry *)msg)->bytes;
	if (type == IMAGE_SK_QUEUES)
		return ((const SkPacketEntry *)msg)->length;
	if (type == IMAGE_GHOST_FILE && ((const GhostFileEntry *)msg)->chunks == 0)
		return left;
	return 0;
}

/* Every entry, packed again, is what the file has. */
static bool repack(struct store *from, enum image_type type, unsigned long id)
{
	scoped_image *img = NULL;
	bool found = false;
	void *msg;
	int ret;

	CHECK(image_open(from, type, id, &arena, &img, &found, &err) == 0 && found);
	while ((ret = image_get(img, NULL, &msg, &err)) > 0) {
		size_t len = protobuf_c_message_get_packed_size(msg);
		char *packed = arena_alloc(&arena, len + 1), *file = arena_alloc(&arena, len + 1);
		int64_t payload = payload_of(type, msg, image_left(img));
		int fd = image_fd(img, &err);

		protobuf_c_message_pack(msg, (uint8_t *)packed);
		CHECK(io_pread(fd, file, len, lseek(fd, 0, SEEK_CUR) - (off_t)len) == 0);
		CHECK(memcmp(packed, file, len) == 0);
		CHECK(((ProtobufCMessage *)msg)->n_unknown_fields == 0);
		CHECK(image_skip(img, (uint64_t)payload, &err) == 0);
	}
	return ret == 0;
}

/* The image as a whole, read and written by us, is the same file. */
static bool rewrite(struct store *from, enum image_type type, unsigned long id, const char *name)
{
	scoped_image *in = NULL, *out = NULL;
	char *was = NULL, *is = NULL;
	bool found = false;
	size_t len = 0;
	void *msg;

	CHECK(image_open(from, type, id, &arena, &in, &found, &err) == 0 && found);
	CHECK(image_create(store, type, id, &out, &err) == 0);
	while (image_get(in, NULL, &msg, &err) > 0) {
		int64_t payload = payload_of(type, msg, image_left(in));
		char *bytes = arena_alloc(&arena, (size_t)payload + 1);

		CHECK(image_put(out, msg, &err) == 0);
		CHECK(image_get_raw(in, bytes, (size_t)payload, &err) == 0);
		CHECK(image_put_raw(out, bytes, (size_t)payload, &err) == 0);
	}
	CHECK(image_close(take_ptr(out), &err) == 0);
	CHECK(io_slurp_at(store_dirfd(from), name, &arena, &was, &len) == 0);
	return slurp(name, &is) == len && memcmp(was, is, len) == 0;
}

static bool test_samples(void)
{
	struct store *from = NULL;
	struct dirent *d;
	size_t n = 0;
	bool good = true;

	CHECK(store_open_dir(&arena, samples, false, &from, &err) == 0);

	DIR *dir = fdopendir(dup(store_dirfd(from)));
	CHECK(dir);
	while (good && (d = readdir(dir))) {
		enum image_type type;
		unsigned long id;

		if (d->d_name[0] == '.')
			continue;
		good = image_type_by_name(d->d_name, &type, &id) && repack(from, type, id) &&
		       rewrite(from, type, id, d->d_name);
		if (!good)
			printf("# %s\n", d->d_name);
		n++;
	}
	closedir(dir);
	store_close(from);
	return good && n >= 25;
}

/* Not only that it can be read: what the sample is known to hold. */
static bool test_sample_values(void)
{
	struct store *from = NULL;
	CoreEntry *core;
	bool found = false;
	void *msg;

	CHECK(store_open_dir(&arena, samples, false, &from, &err) == 0);
	CHECK(count_in(from, IMAGE_PSTREE, 0) == 2);
	CHECK(image_get_one(from, IMAGE_INVENTORY, 0, &arena, &msg, &found, &err) == 0 && found);
	CHECK(((InventoryEntry *)msg)->img_version == 2 && ((InventoryEntry *)msg)->root_ids);
	CHECK(image_get_one(from, IMAGE_CORE, 4, &arena, &msg, &found, &err) == 0 && found);
	core = msg;
	CHECK(core->mtype == CORE_ENTRY__MARCH__X86_64 && core->thread_info->gpregs->ip);
	CHECK(strcmp(core->tc->comm, "cross") == 0 && core->tc->n_sigactions == 62);
	store_close(from);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "a list of entries", test_list },
	{ "one entry", test_one },
	{ "messages inside messages", test_nested },
	{ "a message without fields", test_empty_message },
	{ "a message without what it must have is not written", test_incomplete_message },
	{ "100000 vmas in one entry", test_100000_vmas },
	{ "30000 entries", test_long_list },
	{ "a head and entries", test_head },
	{ "payload behind entries", test_payload },
	{ "a raw image", test_raw },
	{ "magics and wrappers", test_magics },
	{ "images of version 1", test_version_1 },
	{ "no entries, no file", test_lazy_file },
	{ "a planted symlink is replaced, not followed", test_planted_link },
	{ "a fifo in place of an image", test_fifo },
	{ "a late write error comes out of image_close", test_file_size_limit },
	{ "parent images", test_parent },
	{ "names and magics of all types", test_names },
	{ "truncated at every byte", test_truncation },
	{ "truncation says what is left", test_says_what_is_left },
	{ "every bit flipped", test_flipped_bits },
	{ "sizes flipped", test_flipped_sizes },
	{ "damaged entries", test_bad_entries },
	{ "packed arrays", test_packed },
	{ "endless nesting", test_nesting },
	{ "nesting up to the limit", test_deep_but_right },
	{ "an entry that grows in memory", test_amplification },
	{ "an entry above the limit", test_too_large },
	{ "a second entry where one belongs", test_second_entry },
	{ "images of CRIU 4.2 byte by byte", test_samples },
	{ "images of CRIU 4.2 by value", test_sample_values },
};

static void remove_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		(void)unlinkat(dirfd(dir), d->d_name, 0);
	if (dir)
		closedir(dir);
	(void)rmdir(path);
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/image_test.XXXXXX";

	if (argc > 1)
		samples = argv[1];
	umask(022);
	if (!mkdtemp(path)) {
		perror(path);
		return 1;
	}

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		bool good;

		arena_init(&arena);
		memset(&err, 0, sizeof(err));
		good = store_open_dir(&arena, path, true, &store, &err) == 0 && tests[i].run();
		store_close(store);
		arena_fini(&arena);
		ok(good, "%s", tests[i].name);
	}

	remove_files(path);
	return tap_done();
}
