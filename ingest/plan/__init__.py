"""What a program will cost before it is run: seconds, memory, disk; from a short run on the device, or constants."""
