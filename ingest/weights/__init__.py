"""What a checkpoint's weights alone say of its neurons."""
