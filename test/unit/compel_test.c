/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/err.h"
#include "compel.h"
extern const char compel_blob_start[], compel_blob_end[];
int main(void){
  struct err err={0}; struct compel_task *t; 
  pid_t pid=fork();
  if(!pid){ struct timespec a,b; clock_gettime(CLOCK_MONOTONIC,&a); struct timespec s={1,0}; int r=nanosleep(&s,NULL); clock_gettime(CLOCK_MONOTONIC,&b);
    printf("victim r=%d %f\n", r, (b.tv_sec-a.tv_sec)+(b.tv_nsec-a.tv_nsec)/1e9); fflush(stdout); _exit(3);}
  usleep(300000);
#define T(x) do { struct timespec a,b; clock_gettime(CLOCK_MONOTONIC,&a); int rr=(x); clock_gettime(CLOCK_MONOTONIC,&b); printf("%-20.40s %d %.1fus\n", #x, rr, (b.tv_sec-a.tv_sec)*1e6+(b.tv_nsec-a.tv_nsec)/1e3); if(rr<0) err_print(&err,"t"); } while(0)
  T(compel_seize(pid,1000,&t,&err));
  struct compel_image im={compel_blob_start,(size_t)(compel_blob_end-compel_blob_start)};
  T(compel_inject(t,&im,4096,&err));
  long r=0; 
  T(compel_call(t,&t->threads[0],1,NULL,0,&r,&err)); printf("%ld %d\n",r,pid);
  uint64_t n[4]={41};
  T(compel_call(t,&t->threads[0],2,n,sizeof n,&r,&err)); printf("%ld %lu\n",r,n[1]);
  int fd; T(compel_send_fd(t,1,&fd,&err)); printf("fd %d\n",fd);
  T(compel_syscall(t,&t->threads[0],39,(unsigned long[6]){0},&r,&err)); printf("%ld\n",r);
  T(compel_cure(t,&err));
  T(compel_release(t,COMPEL_RUN,&err));
  int st; waitpid(pid,&st,0); printf("%x\n",st);
}
