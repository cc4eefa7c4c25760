/* SPDX-License-Identifier: GPL-2.0-only */
/* System V calls that wait, in children, go on waiting */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>

#include "victim.h"

static pid_t children[3];
static int sem, queue;

static int wait_semop(void)
{
	struct sembuf op = { 0, -1, 0 };

	return semop(sem, &op, 1);
}

static int wait_semtimedop(void)
{
	struct timespec t = { 3600, 0 };
	struct sembuf op = { 1, -1, 0 };

	return semtimedop(sem, &op, 1, &t);
}

static int wait_msgrcv(void)
{
	struct {
		long type;
		char text[8];
	} msg;

	return msgrcv(queue, &msg, sizeof(msg.text), 7, 0) == 3 ? 0 : -1;
}

static bool make(void)
{
	static int (*const calls[3])(void) = { wait_semop, wait_semtimedop, wait_msgrcv };

	sem = semget(IPC_PRIVATE, 2, 0600);
	queue = msgget(IPC_PRIVATE, 0600);
	if (sem < 0 || queue < 0)
		return false;
	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(calls[i]() == 0 ? 41 : errno == EINTR ? 2 : 3);
	}
	victim_sleep(50);
	return true;
}

static bool same(void)
{
	struct {
		long type;
		char text[8];
	} msg = { 7, "abc" };
	struct sembuf up[2] = { { 0, 1, 0 }, { 1, 1, 0 } };
	bool good = true;
	int status;

	for (int i = 0; i < 3; i++)
		good = expect(waitpid(children[i], &status, WNOHANG) == 0) && good;
	good = good && expect(semop(sem, up, 2) == 0) && expect(msgsnd(queue, &msg, 3, 0) == 0);
	for (int i = 0; good && i < 3; i++)
		good = expect(waitpid(children[i], &status, 0) == children[i]) &&
		       expect(WEXITSTATUS(status) == 41);
	semctl(sem, 0, IPC_RMID);
	msgctl(queue, IPC_RMID, NULL);
	return good;
}

VICTIM(make, same)
