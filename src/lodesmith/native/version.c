/* Says which sources the library was compiled from. `build.py` sets LS_SOURCE_DIGEST. */
#include "kernels.h"

#ifndef LS_SOURCE_DIGEST
#define LS_SOURCE_DIGEST "unknown"
#endif

LS_EXPORT const char *ls_source_digest(void) {
    return "lodesmith-kernels:" LS_SOURCE_DIGEST;
}
