/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * runtime - the OCI runtime behind us, and what it finds as "criu"
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "oci-hook/runtime.h"

static const char *search_path(void)
{
	const char *path = getenv("PATH");

	return path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* An engine may know us as "runc": by a link, which is then on PATH, too. */
static bool is_ourselves(const char *path)
{
	struct stat us, it;

	return stat("/proc/self/exe", &us) == 0 && stat(path, &it) == 0 && us.st_dev == it.st_dev &&
	       us.st_ino == it.st_ino;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool find_on_path(const char *name, char path_ret[PATH_MAX])
{
	const char *p = search_path();
	char path[PATH_MAX];

	for (;; p++) {
		int n = strcspn(p, ":");

		/* an empty piece is the working directory */
		snprintf(path, sizeof(path), "%.*s/%s", n ? n : 1, n ? p : ".", name);
		if (is_program(path) && !is_ourselves(path)) {
			memcpy(path_ret, path, sizeof(path));
			return true;
		}
		p += n;
		if (!*p)
			return false;
	}
}

static int find_asked(const char *asked, char path_ret[PATH_MAX], struct err *err)
{
	if (!strchr(asked, '/')) {
		if (find_on_path(asked, path_ret))
			return 0;
		err_set(err, ENOENT, "cannot find the runtime %s on PATH", asked);
		return err_hint(err, "give its whole path to --runtime or RUNC_CKPT_RUNTIME");
	}
	if (is_ourselves(asked)) {
		err_set(err, ELOOP, "cannot use %s as the runtime behind itself", asked);
		return err_hint(err, "name another one: runc or crun");
	}
	if (!is_program(asked)) {
		err_set(err, access(asked, X_OK) < 0 ? errno : EACCES,
			"cannot execute the runtime %s", asked);
		return err_hint(err, "see what --runtime and RUNC_CKPT_RUNTIME say");
	}
	snprintf(path_ret, PATH_MAX, "%s", asked);
	return 0;
}

int runtime_find(const char *asked, char path_ret[PATH_MAX], struct err *err)
{
	if (!asked)
		asked = getenv("RUNC_CKPT_RUNTIME");
	if (asked && *asked)
		return find_asked(asked, path_ret, err);
	if (find_on_path("crun", path_ret) || find_on_path("runc", path_ret))
		return 0;
	err_set(err, ENOENT, "cannot find a runtime: neither crun nor runc is on PATH");
	return err_hint(err, "install one, or name another one by --runtime");
}

/* ---- which one it is ---- */

/* Starts "RUNTIME --version"; returns its output. */
static int ask_version(const char *path, pid_t *pid_ret, struct err *err)
{
	char *const argv[] = { (char *)path, "--version", NULL };
	posix_spawn_file_actions_t actions;
	int pipes[2], code;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");
	scoped_fd out = pipes[0], in = pipes[1];

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	code = posix_spawn(pid_ret, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (code)
		return err_set(err, code, "cannot run %s --version", path);
	return take_fd(&out);
}

int runtime_is_runc(const char *path, bool *is_runc_ret, struct err *err)
{
	static const char runc[] = "runc version ";
	char said[sizeof(runc) - 1];
	pid_t pid;
	int ret;

	scoped_fd out = ask_version(path, &pid, err);
	if (out < 0)
		return out;
	ret = io_read(out, said, sizeof(said));
	/* with SIGCHLD ignored this waits, too, and has no status, which nobody needs */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (ret < 0 && ret != -ENODATA)
		return err_set(err, -ret, "cannot read what %s --version says", path);
	*is_runc_ret = ret == 0 && memcmp(said, runc, sizeof(said)) == 0;
	return 0;
}

/* ---- criu-lite in CRIU's place ---- */

/* As installed, from sbin/; and where it was built. */
static bool find_criu(const char *folder, char dir_ret[PATH_MAX])
{
	static const char *const places[] = { "../libexec/criu-lite", "libexec/criu-lite" };
	char dir[PATH_MAX], criu[PATH_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(dir, sizeof(dir), "%s/%s", folder, places[i]);
		snprintf(criu, sizeof(criu), "%s/criu", dir);
		if (is_program(criu) && realpath(dir, dir_ret))
			return true;
	}
	return false;
}

/* The directory in which it is called criu. */
static int find_folder(char dir_ret[PATH_MAX], struct err *err)
{
	char self[PATH_MAX] = "";
	char *slash;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return err_sys(err, "cannot find out where runc-ckpt is");
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	if (find_criu(self, dir_ret))
		return 0;
	err_set(err, ENOENT, "cannot find criu-lite as ../libexec/criu-lite/criu of %s", self);
	return err_hint(err,
			"install both by \"make install\", and refer to runc-ckpt by a link, not "
			"a copy");
}

int runtime_find_criu(char path_ret[PATH_MAX], struct err *err)
{
	char dir[PATH_MAX];

	if (find_folder(dir, err) < 0)
		return -err->code;
	if (snprintf(path_ret, PATH_MAX, "%s/criu", dir) >= PATH_MAX)
		return err_set(err, ENAMETOOLONG, "cannot use %s", dir);
	return 0;
}

/*
 * PATH, and not runc's --criu: that is taken up to runc 1.1 only, and ends runc
 * from 1.4 on.  Whoever gives --criu to runc 1.1 through us means it.
 */
int runtime_offer_criu(struct err *err)
{
	scoped_ptr char *path = NULL;
	char dir[PATH_MAX];

	if (find_folder(dir, err) < 0)
		return -err->code;
	if (asprintf(&path, "%s:%s", dir, search_path()) < 0 || setenv("PATH", path, 1) < 0)
		return err_sys(err, "cannot change PATH");
	return 0;
}
