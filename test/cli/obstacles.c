/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * obstacles DIR: three tasks with much that cannot be dumped, which must live on as they were
 *
 * The root has a TCP connection (both ends), two locks, a pidfd of
 * init, secret memory and a watch by epoll on a file that has been closed; its first child shares
 * the connection, has mapped what an io_uring is asked by, and a file of 2 MiB that is deleted; its second
 * child is about to make a file system.
 */
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { LENGTH = 2 << 20, AREA = 5 * 4096 };

static int pair[2], locked, pidfd, epoll;
static pid_t children[2];

static bool make_connection(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(l, (void *)&a, sizeof(a)) < 0 || listen(l, 5) < 0 ||
	    getsockname(l, (void *)&a, &len) < 0 || connect(pair[0], (void *)&a, sizeof(a)) < 0)
		return false;
	pair[1] = accept(l, NULL, NULL);
	close(l);
	return pair[1] >= 0;
}

static bool make_locks(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_start = 5, .l_len = 7 };

	locked = open("locked", O_RDWR | O_CREAT, 0600);
	return flock(locked, LOCK_EX) == 0 && fcntl(locked, F_SETLK, &range) == 0;
}

static bool make_pidfd(void)
{
	pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
	return pidfd >= 0;
}

/* The watch stays, as the file does, in a task that is not ours. */
static bool make_watch(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int p[2];

	epoll = epoll_create1(0);
	if (epoll < 0 || pipe(p) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, p[0], &ev) < 0)
		return false;
	if (fork() == 0) {
		if (fork() == 0) {
			setsid();
			while (access(victim_path("verdict"), F_OK) < 0)
				victim_sleep(10);
		}
		_exit(0);
	}
	wait(NULL);
	return close(p[0]) == 0 && close(p[1]) == 0;
}

/* No descriptor of it, which would be one more. */
static bool make_ring(void)
{
	static uint32_t params[30]; /* struct io_uring_params */
	int fd = (int)syscall(SYS_io_uring_setup, 5, params);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	return p != MAP_FAILED;
}

static bool make_first(void)
{
	static const char bytes[LENGTH] = { 5 };
	int fd = open("large", O_RDWR | O_CREAT, 0600);

	return write(fd, bytes, LENGTH) == LENGTH && unlink("large") == 0 && make_ring();
}

static bool make_second(void)
{
	close(pair[0]);
	close(pair[1]);
	return syscall(SYS_fsopen, "tmpfs", 0) >= 0;
}

static pid_t child(bool (*make_it)(void), const char *file)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (!make_it())
			_exit(1);
		victim_say(file, "%d", getpid());
		for (;;)
			pause();
	}
	while (access(victim_path(file), F_OK) < 0 && waitpid(pid, NULL, WNOHANG) == 0)
		victim_sleep(1);
	return access(victim_path(file), F_OK) == 0 ? pid : -1;
}

/* No descriptor of it, which would be one more. */
static bool make_secret(void)
{
	int fd = (int)syscall(447 /* memfd_secret */, 0);
	void *p;

	if (fd < 0 || ftruncate(fd, AREA) < 0)
		return false;
	p = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p != MAP_FAILED;
}

static bool make(void)
{
	return make_connection() && (children[0] = child(make_first, "first")) > 0 &&
	       (children[1] = child(make_second, "second")) > 0 && make_locks() && make_watch() &&
	       make_pidfd() && make_secret();
}

static bool lives(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static bool same(void)
{
	char buf[5];

	return expect(lives(children[0])) && expect(lives(children[1])) &&
	       expect(write(pair[0], "five", 5) == 5) &&
	       expect(read(pair[1], buf, sizeof(buf)) == 5) &&
	       expect(memcmp(buf, "five", 5) == 0) &&
	       expect(flock(open("locked", O_RDWR), LOCK_EX | LOCK_NB) < 0) &&
	       expect(fcntl(pidfd, F_GETFD) >= 0) && expect(fcntl(epoll, F_GETFD) >= 0);
}

VICTIM(make, same)
