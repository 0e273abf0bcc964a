/* Causal attention for learning, its gradients, and how its heads are shared among threads.
 *
 * No matrix of tokens by tokens is kept: of each query its largest score and the sum of what it
 * weighs, from which the backward pass computes the weights again.
 *
 * Source: Dao et al. 2022, arXiv:2205.14135 (blocks of scores, weights computed again); Milakov and
 * Gimelshein 2018, arXiv:1805.02867 (largest score and sum as keys come).
 */
#define _GNU_SOURCE /* posix_memalign is not in C11 */
#include "attention.h"
#include "kernels.h"
#include "width.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MOST_THREADS 256

/* Starts a team of OpenMP's threads: what `#pragma omp parallel` compiles to. */
typedef void (*start_team)(void (*work)(void *), void *context, unsigned size, unsigned flags);

typedef struct {
    const attention *a;
    void (*compute)(const attention *a, size_t item, float *scratch);
    size_t num_items, scratch_floats;
    float *scratch;
    atomic_size_t next_item, next_member;
} job;

static const attention_kernels *choose_kernels(const char *wanted) {
#if defined(__x86_64__)
    static const attention_kernels *const by_width[] = {&ls_attention_plain, &ls_attention_avx2,
                                              &ls_attention_avx512};
    return by_width[choose_width(wanted)];
#else
    (void)wanted;
    return &ls_attention_plain;
#endif
}

static void work(void *context) {
    job *j = context;
    float *scratch = j->scratch + atomic_fetch_add(&j->next_member, 1) * j->scratch_floats;
    for (;;) {
        size_t item = atomic_fetch_add(&j->next_item, 1);
        if (item >= j->num_items) return;
        j->compute(j->a, item, scratch);
    }
}

static void *serve(void *context) {
    work(context);
    return NULL;
}

/* For who has no OpenMP: threads of this call's own. Fewer than asked for do the work as well. */
static void start_threads(job *j, size_t size) {
    pthread_t threads[MOST_THREADS];
    size_t started = 0;
    while (started + 1 < size && !pthread_create(&threads[started], NULL, serve, j)) started++;
    work(j);
    while (started) pthread_join(threads[--started], NULL);
}

/* Which kernels this processor takes, no wider ones than `wanted`: "avx2", "plain" or NULL. */
LS_EXPORT const char *ls_attention_kernels(const char *wanted) {
    return choose_kernels(wanted)->name;
}

/* Fill `out` and `normalisers`, or the gradients from them. Returns 0, -1 if memory ran out. */
LS_EXPORT int ls_attention(const attention *a, int backward, size_t num_threads,
                           start_team start, const char *wanted) {
    const attention_kernels *k = choose_kernels(wanted);
    job j = {a, backward ? k->backward : k->forward, (size_t)(a->num_batches * a->num_heads),
             backward ? backward_floats(a) : forward_floats(a), NULL, 0, 0};
    if (!j.num_items || !a->num_tokens) return 0;
    if (num_threads > MOST_THREADS) num_threads = MOST_THREADS;
    if (num_threads > j.num_items) num_threads = j.num_items;
    if (num_threads < 1) num_threads = 1;
    j.scratch_floats = (j.scratch_floats + 15) / 16 * 16;
    size_t bytes = num_threads * j.scratch_floats * sizeof(float);
    if (posix_memalign((void **)&j.scratch, 64, bytes)) return -1;
    if (num_threads == 1) work(&j);
    else if (start) start(work, &j, (unsigned)num_threads, 0);
    else start_threads(&j, num_threads);
    free(j.scratch);
    return 0;
}
