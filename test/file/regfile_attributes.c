/* SPDX-License-Identifier: GPL-2.0-only */
/* extended attributes and lists of rights of deleted files and directories */
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "victim.h"

/* struct posix_acl_xattr_header and _entry of linux/posix_acl_xattr.h */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entry[5];
};

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, MASK = 16, OTHER = 32, NO_ID = -1 };

static const struct acl acl = {
	2,
	{ { USER_OBJ, 6, (uint32_t)NO_ID },
	  { USER, 5, 1789 },
	  { GROUP_OBJ, 4, (uint32_t)NO_ID },
	  { MASK, 4, (uint32_t)NO_ID },
	  { OTHER, 1, (uint32_t)NO_ID } },
};

static char large[1789];
static int file, dir;
static int trusted; /* -1: nobody in a user namespace has those */
static mode_t mode;

static int set(int fd, const char *name, const void *value, size_t n)
{
	return fsetxattr(fd, name, value, n, XATTR_CREATE);
}

static bool make(void)
{
	const struct vfs_cap_data cap = { .magic_etc = VFS_CAP_REVISION_2,
					  .data = { { 1 << 10 } } };
	struct stat st;

	memset(large, 'x', sizeof(large));
	file = open("file", O_RDWR | O_CREAT | O_EXCL, 0640);
	if (!expect(file >= 0) || !expect(mkdir("dir", 0750) == 0) ||
	    !expect((dir = open("dir", O_RDONLY | O_DIRECTORY)) >= 0))
		return false;
	if (set(file, "user.some", "thing", 5) < 0 && errno == EOPNOTSUPP)
		skip("this file system has no extended attributes");
	return expect(set(file, "user.empty", "", 0) == 0) &&
	       expect(set(file, "user.large", large, sizeof(large)) == 0) &&
	       expect((trusted = set(file, "trusted.root", "\0\xff", 2)) == 0 || errno == EPERM) &&
	       expect(set(file, "system.posix_acl_access", &acl, sizeof(acl)) == 0) &&
	       expect(set(file, "security.capability", &cap, sizeof(cap)) == 0) &&
	       expect(set(dir, "system.posix_acl_default", &acl, sizeof(acl)) == 0) &&
	       expect(set(dir, "user.of dir", "yes", 3) == 0) && expect(unlink("file") == 0) &&
	       expect(rmdir("dir") == 0) && expect(fstat(file, &st) == 0) && (mode = st.st_mode);
}

static bool has(int fd, const char *name, const void *value, size_t n)
{
	char buf[4096];

	return expect(fgetxattr(fd, name, buf, sizeof(buf)) == (ssize_t)n) &&
	       expect(memcmp(buf, value, n) == 0);
}

static bool same(void)
{
	struct stat st;
	char buf[64];

	return has(file, "user.some", "thing", 5) && has(file, "user.empty", "", 0) &&
	       has(file, "user.large", large, sizeof(large)) &&
	       (trusted < 0 || has(file, "trusted.root", "\0\xff", 2)) &&
	       has(file, "system.posix_acl_access", &acl, sizeof(acl)) &&
	       expect(fgetxattr(file, "security.capability", buf, sizeof(buf)) ==
		      sizeof(struct vfs_cap_data)) &&
	       has(dir, "system.posix_acl_default", &acl, sizeof(acl)) &&
	       has(dir, "user.of dir", "yes", 3) && expect(fstat(file, &st) == 0) &&
	       expect(st.st_mode == mode && st.st_nlink == 0);
}

VICTIM(make, same)
