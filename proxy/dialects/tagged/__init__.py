"""What dialects share whose calls are elements: `<call><parameter>value</parameter></call>`, in their own spelling."""
