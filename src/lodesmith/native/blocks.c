/* CRC-32 of every block of a buffer, so that any few blocks can be read and checked alone. */
#include "kernels.h"
#include "warc_inflate.h"

/* `sums` gets one number for each block of `block` bytes; the last block may be shorter */
LS_EXPORT void ls_blocks_crc32(const uint8_t *data, size_t size, size_t block, uint32_t *sums) {
    for (size_t at = 0; at < size; at += block)
        *sums++ = update_crc32(0, data + at, size - at < block ? size - at : block);
}
