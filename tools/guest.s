# SPDX-License-Identifier: Apache-2.0
#
# A boot sector (512 bytes) that serves as a guest in console tests.
#
# It prints GUEST READY on the screen and on the first serial port, and echoes
# input from the keyboard and the serial port to both. The keys 0 to 7 fill the
# screen with a colour: 1 blue, 2 green, 4 red. The key 8 shows the cursor,
# which blinks. The CPU halts while idle. tools/guest.sh builds it.

.code16
.intel_syntax noprefix
.globl _start
.set COM1, 0x3f8
.set COM1_STATUS, COM1 + 5

_start:
        xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7c00
        cld
        sti
        mov     ax, 3                   # text, 80 by 25: 720 by 400 pixels
        int     0x10
        mov     ah, 1                   # hide the blinking cursor
        mov     cx, 0x2000
        int     0x10
        mov     si, offset greeting
greet:  lodsb
        call    echo
        cmp     byte ptr [si], 0
        jne     greet

idle:   mov     ah, 1                   # a key?
        int     0x16
        jnz     key
        mov     dx, COM1_STATUS         # a byte on the serial port?
        in      al, dx
        and     al, 0x81                # ignore a port that reads as 0xff
        cmp     al, 1
        je      serial
        hlt
        jmp     idle

key:    xor     ax, ax
        int     0x16
        jmp     show
serial: mov     dx, COM1
        in      al, dx
show:   cmp     al, '0'
        jb      text
        cmp     al, '8'
        ja      text
        je      blink
        mov     bh, al                  # the digit is the background colour
        shl     bh, 4
        push    ax
        mov     ax, 0x600               # clear the whole screen
        xor     cx, cx
        mov     dx, 0x184f
        int     0x10
        pop     ax
text:   call    echo
        jmp     idle

blink:  mov     ah, 1
        mov     cx, 0x0607
        int     0x10
        jmp     idle

echo:   mov     dx, COM1
        out     dx, al
        mov     ah, 0xe
        mov     bx, 7
        int     0x10
        ret

greeting:
        .asciz  "GUEST READY\r\n"
        .org    510
        .word   0xaa55
