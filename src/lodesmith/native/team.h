/* A team of threads that work through a list of steps together: all finish one before the next.
 *
 * The thread that calls `team_run` is member 0. Members spin between steps, because a step of a
 * small model takes ten microseconds and waking a thread takes five; between runs they sleep.
 */
#ifndef LODESMITH_TEAM_H
#define LODESMITH_TEAM_H

#include <stddef.h>

typedef struct team team;
typedef void (*team_work)(void *context, int member);

team *team_new(int size, int max_steps);
void team_free(team *t);
int team_size(const team *t);

/* Let every member call `work`, and return when all have returned. */
void team_run(team *t, team_work work, void *context);

/* Inside `work`: wait until all members are here. */
void team_meet(team *t);

/* Inside `work`: take the next piece of a step, counted from 0; the caller knows how many there are.
 * Every member must number its steps alike, from 0 on. */
size_t team_take(team *t, int step);

#endif
