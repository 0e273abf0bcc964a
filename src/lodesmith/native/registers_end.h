/* The end of what a processor of wider registers only can run. */
#if defined(__clang__)
#pragma clang attribute pop
#endif
