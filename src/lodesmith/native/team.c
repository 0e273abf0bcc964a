/* Threads, a barrier and counters of pieces: see team.h. */
#define _GNU_SOURCE /* posix_memalign and madvise are not in C11 */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SPINS_BEFORE_YIELD 4096  /* some ten microseconds: longer, and another thread has the core */
#define SPINS_BEFORE_SLEEP 20000 /* between runs the caller chooses tokens for about that long */

typedef struct {
    _Alignas(64) atomic_size_t next;
} counter;

typedef struct {
    team *of;
    int number;
    pthread_t thread;
} member;

struct team {
    int size, max_steps;
    member *members;
    counter *counters; /* one for each step of a run */
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_uint phase; /* goes up when all have arrived */
    _Alignas(64) atomic_uint run;   /* goes up when there is work */
    atomic_int leave;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    team_work work;
    void *context;
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

int team_size(const team *t) {
    return t->size;
}

void team_meet(team *t) {
    unsigned phase = atomic_load_explicit(&t->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel) == t->size - 1) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&t->phase, 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&t->phase, memory_order_acquire) == phase; spins++) {
        if (spins < SPINS_BEFORE_YIELD) relax();
        else sched_yield();
    }
}

size_t team_take(team *t, int step) {
    return atomic_fetch_add_explicit(&t->counters[step].next, 1, memory_order_relaxed);
}

static unsigned wait_for_run(team *t, unsigned seen) {
    for (int spins = 0; spins < SPINS_BEFORE_SLEEP; spins++) {
        if (atomic_load_explicit(&t->run, memory_order_acquire) != seen) return seen + 1;
        relax();
    }
    pthread_mutex_lock(&t->lock);
    while (atomic_load_explicit(&t->run, memory_order_acquire) == seen)
        pthread_cond_wait(&t->woken, &t->lock);
    pthread_mutex_unlock(&t->lock);
    return seen + 1;
}

static void *serve(void *argument) {
    member *self = argument;
    team *t = self->of;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_run(t, seen);
        if (atomic_load(&t->leave)) return NULL;
        t->work(t->context, self->number);
        team_meet(t);
    }
}

static void announce(team *t) {
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add_explicit(&t->run, 1, memory_order_release);
    pthread_cond_broadcast(&t->woken);
    pthread_mutex_unlock(&t->lock);
}

void team_run(team *t, team_work work, void *context) {
    for (int step = 0; step < t->max_steps; step++)
        atomic_store_explicit(&t->counters[step].next, 0, memory_order_relaxed);
    t->work = work;
    t->context = context;
    if (t->size > 1) announce(t);
    work(context, 0);
    team_meet(t);
}

team *team_new(int size, int max_steps) {
    team *t = NULL;
    if (posix_memalign((void **)&t, 64, sizeof *t)) return NULL;
    memset(t, 0, sizeof *t);
    t->size = 1;
    t->max_steps = max_steps;
    t->members = calloc((size_t)size, sizeof *t->members);
    if (posix_memalign((void **)&t->counters, 64, (size_t)max_steps * sizeof *t->counters))
        t->counters = NULL;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->woken, NULL);
    if (!t->members || !t->counters) {
        team_free(t);
        return NULL;
    }
    for (int number = 1; number < size; number++) {
        member *next = &t->members[number];
        next->of = t;
        next->number = number;
        if (pthread_create(&next->thread, NULL, serve, next)) break; /* a smaller team works too */
        t->size++;
    }
    return t;
}

void team_free(team *t) {
    if (!t) return;
    atomic_store(&t->leave, 1);
    if (t->size > 1) announce(t);
    for (int number = 1; number < t->size; number++) pthread_join(t->members[number].thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->woken);
    free(t->members);
    free(t->counters);
    free(t);
}
